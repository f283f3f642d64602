//! Who goes next: slots shared fairly between namespaces. Pure: it holds tokens and says whose turn it is.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// A namespace.
pub(crate) type Tenant = Arc<str>;

/// Slots, and those who wait for one.
///
/// While others wait, no tenant is given a slot that would let it hold more than half of them (of one slot: more than
/// that one). Tenants that wait take turns; within a tenant, first come, first served. Every tenant in `tenants` holds
/// a slot or waits, so that their number is bounded by slots and queue.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    slots: usize,
    /// Waiting tokens at most.
    capacity: usize,
    busy: usize,
    waiting: usize,
    next_id: u64,
    tenants: HashMap<Tenant, Standing<T>>,
    /// Tenants with waiting tokens, the one whose turn is next in front.
    turns: VecDeque<Tenant>,
}

#[derive(Debug)]
struct Standing<T> {
    held: usize,
    waiting: VecDeque<(u64, T)>,
}

impl<T> Default for Standing<T> {
    fn default() -> Self {
        Self {
            held: 0,
            waiting: VecDeque::new(),
        }
    }
}

/// What became of an arrival.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival<T> {
    /// It has a slot.
    Granted,
    /// It waits under this number; `pushed_out` had to go for it.
    Waiting { id: u64, pushed_out: Option<T> },
    /// There is no room.
    Full,
}

impl<T> FairQueue<T> {
    pub(crate) fn new(slots: u32, capacity: u32) -> Self {
        Self {
            slots: slots.max(1) as usize,
            capacity: capacity as usize,
            busy: 0,
            waiting: 0,
            next_id: 0,
            tenants: HashMap::new(),
            turns: VecDeque::new(),
        }
    }

    /// Takes a slot if there is one for this tenant now.
    pub(crate) fn enter(&mut self, tenant: &Tenant) -> bool {
        let (held, waits) = self
            .tenants
            .get(tenant)
            .map_or((0, false), |standing| (standing.held, !standing.waiting.is_empty()));
        let others_wait = self.turns.len() > usize::from(waits);
        let enters = self.busy < self.slots && !waits && self.may_hold(held + 1, others_wait);
        if enters {
            self.tenants.entry(tenant.clone()).or_default().held += 1;
            self.busy += 1;
        }
        enters
    }

    /// Somebody wants a slot. When the queue is full, the tenant that has most waiting gives way to one that has less:
    /// otherwise one namespace could fill the queue and keep all others out of it.
    pub(crate) fn arrive(&mut self, tenant: &Tenant, token: T) -> Arrival<T> {
        if self.enter(tenant) {
            return Arrival::Granted;
        }
        let waits = self
            .tenants
            .get(tenant)
            .is_some_and(|standing| !standing.waiting.is_empty());
        let mut pushed_out = None;
        if self.waiting >= self.capacity {
            let own = self.tenants.get(tenant).map_or(0, |standing| standing.waiting.len());
            let longest = self
                .turns
                .iter()
                .filter_map(|name| self.tenants.get(name).map(|standing| (standing.waiting.len(), name)))
                .max_by_key(|(length, _)| *length)
                .filter(|(length, _)| *length > own + 1)
                .map(|(_, name)| name.clone());
            let Some(longest) = longest else {
                return Arrival::Full;
            };
            // It keeps at least one, so that neither its turn nor anybody's right to a slot changes.
            pushed_out = self
                .tenants
                .get_mut(&longest)
                .and_then(|standing| standing.waiting.pop_back())
                .map(|(_, token)| token);
            self.waiting -= usize::from(pushed_out.is_some());
        }
        let id = self.next_id;
        self.next_id += 1;
        if !waits {
            self.turns.push_back(tenant.clone());
        }
        self.tenants
            .entry(tenant.clone())
            .or_default()
            .waiting
            .push_back((id, token));
        self.waiting += 1;
        Arrival::Waiting { id, pushed_out }
    }

    /// A slot comes back. Returns whose turn it is now, with the slot already counted as theirs.
    pub(crate) fn release(&mut self, tenant: &Tenant) -> Vec<(Tenant, T)> {
        if let Some(standing) = self.tenants.get_mut(tenant)
            && standing.held > 0
        {
            standing.held -= 1;
            self.busy -= 1;
        }
        self.forget_if_gone(tenant);
        self.grant()
    }

    /// Somebody no longer waits. The token, if it was still waiting, and whose turn it is now.
    pub(crate) fn leave(&mut self, tenant: &Tenant, id: u64) -> (Option<T>, Vec<(Tenant, T)>) {
        let Some(standing) = self.tenants.get_mut(tenant) else {
            return (None, Vec::new());
        };
        let Some(index) = standing.waiting.iter().position(|(waiting, _)| *waiting == id) else {
            return (None, Vec::new());
        };
        let token = standing.waiting.remove(index).map(|(_, token)| token);
        self.waiting -= 1;
        if standing.waiting.is_empty() {
            self.turns.retain(|name| name != tenant);
        }
        self.forget_if_gone(tenant);
        // With one tenant less waiting, a slot that was kept free may be given.
        (token, self.grant())
    }

    /// Nobody waits any more.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        self.turns.clear();
        self.waiting = 0;
        let tokens = self
            .tenants
            .values_mut()
            .flat_map(|standing| standing.waiting.drain(..))
            .map(|(_, token)| token)
            .collect();
        self.tenants.retain(|_, standing| standing.held > 0);
        tokens
    }

    /// Calls running and calls waiting.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.busy, self.waiting)
    }

    fn may_hold(&self, held: usize, others_wait: bool) -> bool {
        !others_wait || held <= (self.slots / 2).max(1)
    }

    fn grant(&mut self) -> Vec<(Tenant, T)> {
        let mut granted = Vec::new();
        while self.busy < self.slots {
            let others_wait = self.turns.len() > 1;
            let Some(turn) = self.turns.iter().position(|name| {
                self.tenants
                    .get(name)
                    .is_some_and(|standing| self.may_hold(standing.held + 1, others_wait))
            }) else {
                break;
            };
            let Some(tenant) = self.turns.remove(turn) else { break };
            let Some(standing) = self.tenants.get_mut(&tenant) else {
                continue;
            };
            let Some((_, token)) = standing.waiting.pop_front() else {
                continue;
            };
            standing.held += 1;
            self.busy += 1;
            self.waiting -= 1;
            if !standing.waiting.is_empty() {
                self.turns.push_back(tenant.clone());
            }
            granted.push((tenant, token));
        }
        granted
    }

    fn forget_if_gone(&mut self, tenant: &Tenant) {
        if self
            .tenants
            .get(tenant)
            .is_some_and(|standing| standing.held == 0 && standing.waiting.is_empty())
        {
            self.tenants.remove(tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenant(name: &str) -> Tenant {
        Tenant::from(name)
    }

    fn names(granted: Vec<(Tenant, u32)>) -> Vec<u32> {
        granted.into_iter().map(|(_, token)| token).collect()
    }

    #[test]
    fn one_tenant_alone_has_everything() {
        let mut queue = FairQueue::new(4, 2);
        let a = tenant("a");
        for n in 0..4 {
            assert_eq!(queue.arrive(&a, n), Arrival::Granted);
        }
        assert!(matches!(queue.arrive(&a, 4), Arrival::Waiting { .. }));
        assert!(matches!(queue.arrive(&a, 5), Arrival::Waiting { .. }));
        assert_eq!(queue.arrive(&a, 6), Arrival::Full);
        assert_eq!(names(queue.release(&a)), [4]);
        assert_eq!(queue.load(), (4, 1));
    }

    #[test]
    fn freed_slots_go_to_the_others_first() {
        let mut queue = FairQueue::new(4, 64);
        let (a, b) = (tenant("a"), tenant("b"));
        for n in 0..8 {
            queue.arrive(&a, n);
        }
        for n in 100..104 {
            queue.arrive(&b, n);
        }
        // a holds four: it gets none before it holds fewer than its half, and then they take turns.
        assert_eq!(names(queue.release(&a)), [100]);
        assert_eq!(names(queue.release(&a)), [101]);
        assert_eq!(names(queue.release(&a)), [4]);
        assert_eq!(names(queue.release(&b)), [102]);
        assert_eq!(names(queue.release(&b)), [103]);
        // b waits no more: the rest is a's.
        assert_eq!(names(queue.release(&b)), [5]);
        assert_eq!(names(queue.release(&b)), [6]);
    }

    #[test]
    fn a_slot_that_would_be_more_than_half_stays_free_until_one_tenant_waits_alone() {
        let mut queue = FairQueue::new(3, 64);
        let (a, b) = (tenant("a"), tenant("b"));
        for n in 0..4 {
            queue.arrive(&a, n);
        }
        queue.arrive(&b, 10);
        let Arrival::Waiting { id, .. } = queue.arrive(&b, 11) else {
            panic!("must wait")
        };
        assert_eq!(names(queue.release(&a)), [10]);
        assert_eq!(names(queue.release(&a)), [0; 0]);
        assert_eq!(queue.load(), (2, 2));
        let (left, granted) = queue.leave(&b, id);
        assert_eq!((left, names(granted)), (Some(11), vec![3]));
    }

    #[test]
    fn one_slot_is_passed_round() {
        let mut queue = FairQueue::new(1, 64);
        let all = [tenant("a"), tenant("b"), tenant("c")];
        for n in 0..3 {
            for (t, tenant) in (0..).zip(&all) {
                queue.arrive(tenant, n * 10 + t);
            }
        }
        let mut order = vec![0];
        for _ in 0..8 {
            let granted = queue.release(&all[(order[order.len() - 1] % 10) as usize]);
            order.extend(names(granted));
        }
        assert_eq!(order, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
    }

    #[test]
    fn a_full_queue_makes_room_for_the_tenant_with_less() {
        let mut queue = FairQueue::new(1, 4);
        let (a, b, c) = (tenant("a"), tenant("b"), tenant("c"));
        for n in 0..5 {
            queue.arrive(&a, n);
        }
        assert_eq!(queue.arrive(&a, 5), Arrival::Full);
        let pushed = |arrival| match arrival {
            Arrival::Waiting { pushed_out, .. } => pushed_out,
            other => panic!("{other:?}"),
        };
        assert_eq!(pushed(queue.arrive(&b, 10)), Some(4), "the newest of the longest");
        assert_eq!(pushed(queue.arrive(&b, 11)), Some(3));
        assert_eq!(queue.arrive(&b, 12), Arrival::Full);
        assert_eq!(pushed(queue.arrive(&c, 20)), Some(11));
        assert_eq!(
            queue.arrive(&c, 21),
            Arrival::Full,
            "two and one is as fair as three and one"
        );
        assert_eq!(queue.load(), (1, 4));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arrive(u8),
        /// Ends the nth call in flight.
        End(usize),
        /// The nth waiter leaves.
        Leave(usize),
        Clear,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        prop::collection::vec(
            prop_oneof![
                8 => (0u8..5).prop_map(Step::Arrive),
                6 => any::<usize>().prop_map(Step::End),
                2 => any::<usize>().prop_map(Step::Leave),
                1 => Just(Step::Clear),
            ],
            0..200,
        )
    }

    /// What must hold, kept by hand beside the queue.
    #[derive(Default)]
    struct Model {
        running: Vec<(Tenant, u32)>,
        waiting: Vec<(Tenant, u64, u32)>,
    }

    impl Model {
        fn grant(&mut self, granted: Vec<(Tenant, u32)>, slots: usize) -> Result<(), TestCaseError> {
            for (tenant, token) in granted {
                let index = self.waiting.iter().position(|(.., waiting)| *waiting == token);
                let (owner, ..) = self.waiting.remove(index.expect("granted somebody who does not wait"));
                prop_assert_eq!(&owner, &tenant);
                self.start(&tenant, token, slots)?;
            }
            Ok(())
        }

        fn start(&mut self, tenant: &Tenant, token: u32, slots: usize) -> Result<(), TestCaseError> {
            self.running.push((Tenant::clone(tenant), token));
            prop_assert!(self.running.len() <= slots, "more calls than slots");
            let held = self.running.iter().filter(|(owner, _)| owner == tenant).count();
            if self.waiting.iter().any(|(other, ..)| other != tenant) {
                prop_assert!(held <= (slots / 2).max(1), "{} of {} while another waits", held, slots);
            }
            Ok(())
        }

        fn check(&self, queue: &FairQueue<u32>, slots: usize) -> Result<(), TestCaseError> {
            prop_assert_eq!(queue.load(), (self.running.len(), self.waiting.len()));
            // Nobody waits in vain: a free slot means that it would be more than half for everybody who waits.
            if self.running.len() < slots {
                for (tenant, ..) in &self.waiting {
                    let held = self.running.iter().filter(|(owner, _)| owner == tenant).count();
                    prop_assert!(self.waiting.iter().any(|(other, ..)| other != tenant));
                    prop_assert!(held + 1 > (slots / 2).max(1), "a slot is free and {} waits", tenant);
                }
            }
            let mut known: Vec<_> = self.running.iter().map(|(tenant, _)| tenant).collect();
            known.extend(self.waiting.iter().map(|(tenant, ..)| tenant));
            known.sort();
            known.dedup();
            prop_assert_eq!(known.len(), queue.tenants.len(), "tenants that are gone are forgotten");
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn is_fair_loses_no_slot_and_starves_nobody(slots in 1u32..9, capacity in 0u32..20, steps in steps()) {
            let mut queue = FairQueue::new(slots, capacity);
            let mut model = Model::default();
            let total = slots as usize;
            for (token, step) in (0u32..).zip(steps) {
                match step {
                    Step::Arrive(name) => {
                        let tenant = tenant(&name.to_string());
                        match queue.arrive(&tenant, token) {
                            Arrival::Granted => model.start(&tenant, token, total)?,
                            Arrival::Full => prop_assert!(model.waiting.len() >= capacity as usize),
                            Arrival::Waiting { id, pushed_out } => {
                                if let Some(out) = pushed_out {
                                    model.waiting.retain(|(.., waiting)| *waiting != out);
                                }
                                model.waiting.push((tenant, id, token));
                                prop_assert!(model.waiting.len() <= capacity as usize);
                            }
                        }
                    }
                    Step::End(n) if !model.running.is_empty() => {
                        let (tenant, _) = model.running.remove(n % model.running.len());
                        model.grant(queue.release(&tenant), total)?;
                    }
                    Step::Leave(n) if !model.waiting.is_empty() => {
                        let (tenant, id, token) = model.waiting.remove(n % model.waiting.len());
                        let (left, granted) = queue.leave(&tenant, id);
                        prop_assert_eq!(left, Some(token));
                        model.grant(granted, total)?;
                    }
                    Step::Clear => {
                        prop_assert_eq!(queue.clear().len(), model.waiting.len());
                        model.waiting.clear();
                    }
                    Step::End(_) | Step::Leave(_) => {}
                }
                model.check(&queue, total)?;
            }
            // As calls end, everybody who waits gets a slot before any tenant has had more turns than there are waiters.
            let ends = model.running.len() + model.waiting.len();
            for _ in 0..ends {
                prop_assert!(!model.running.is_empty());
                let (tenant, _) = model.running.remove(0);
                model.grant(queue.release(&tenant), total)?;
                model.check(&queue, total)?;
            }
            prop_assert_eq!(queue.load(), (0, 0));
        }

        /// One tenant that floods does not keep another from its turn: at most one slot's end for every other tenant.
        #[test]
        fn a_flood_delays_others_by_one_turn_each(slots in 1u32..9, floods in 1usize..5) {
            let mut queue = FairQueue::new(slots, 1000);
            let mut running = std::collections::VecDeque::new();
            for n in 0..100u32 {
                for flood in 0..floods {
                    let name = tenant(&format!("flood-{flood}"));
                    if queue.arrive(&name, n) == Arrival::Granted {
                        running.push_back(name);
                    }
                }
            }
            let quiet = tenant("quiet");
            let waits = matches!(queue.arrive(&quiet, 0), Arrival::Waiting { .. });
            let mut ends = 0;
            let mut served = !waits;
            while !served {
                ends += 1;
                prop_assert!(ends <= floods + slots as usize, "still waiting after {} ends", ends);
                let ended = running.pop_front().expect("a slot is held");
                for (name, _) in queue.release(&ended) {
                    served |= name == quiet;
                    running.push_back(name);
                }
            }
        }
    }
}
