//! Managed rules: those that this plugin makes for the Rollout's header routes and mirrors.
//!
//! A rule is ours when its name is that of a managed route, or that with a number (`NAME-1`: each rule that splits traffic
//! gets one of its own, and names are unique within a route), and it leads to the Rollout's Services in the way that we
//! make rules. Argo's plugin names its rules the same way, so each finds those of the other. Everything else belongs to
//! somebody else and stays as it is.

use rollcage_sdk::Error;
use serde_json::{Value, json};

use crate::{
    backend::{Services, backends},
    route::{Route, rules},
};

/// What is known of a route's rules.
#[derive(Debug)]
pub(crate) struct Managed<'a> {
    /// Names of the Rollout's managed routes. Their order is the order of rules.
    pub(crate) names: &'a [String],
    pub(crate) services: &'a Services<'a>,
}

/// A route's rules, told apart.
#[derive(Debug, Default)]
struct Told<'a> {
    /// With the managed routes that they belong to.
    ours: Vec<(&'a str, Value)>,
    others: Vec<Value>,
}

impl<'a> Managed<'a> {
    /// The managed route that a rule was made for.
    fn owner(&self, rule: &Value) -> Option<&'a str> {
        let name = rule.get("name")?.as_str()?;
        let owner = self.named(name)?;
        (self.leads_to_canary(rule) || self.mirrors(rule)).then_some(owner)
    }

    /// The managed route that a rule's name tells of.
    fn named(&self, rule: &str) -> Option<&'a str> {
        let mut names = self.names.iter().map(String::as_str);
        if let Some(name) = names.clone().find(|name| *name == rule) {
            return Some(name);
        }
        names.find(|name| {
            let number = rule.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            // As we write it: `a-01` is somebody else's.
            number.is_some_and(|number| {
                number
                    .parse::<u32>()
                    .is_ok_and(|parsed| parsed > 0 && parsed.to_string() == number)
            })
        })
    }

    fn leads_to_canary(&self, rule: &Value) -> bool {
        matches!(backends(rule), [backend] if self.services.is_any(backend))
    }

    fn mirrors(&self, rule: &Value) -> bool {
        let filters = rule.get("filters").and_then(Value::as_array);
        let mut targets = filters
            .into_iter()
            .flatten()
            .filter_map(|filter| filter.pointer("/requestMirror/backendRef"));
        self.services.are_split_by(rule) && targets.any(|target| self.services.is_any(target))
    }

    fn tell(&self, route: &Value) -> Told<'a> {
        let mut told = Told::default();
        for rule in rules(route) {
            match self.owner(rule) {
                Some(owner) => told.ours.push((owner, rule.clone())),
                None => told.others.push(rule.clone()),
            }
        }
        told
    }

    /// The rules without those of one managed route, or of all.
    pub(crate) fn without(&self, route: &Value, name: Option<&str>) -> Vec<Value> {
        let keep = |rule: &&Value| match (self.owner(rule), name) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(owner), Some(name)) => owner != name,
        };
        rules(route).iter().filter(keep).cloned().collect()
    }

    /// The rules with those of one managed route made anew: `build` makes one of each rule that splits traffic, or none.
    /// Managed rules come first, in the order of the Rollout's managed routes: of two that match a request equally well,
    /// the first wins.
    pub(crate) fn with(
        &self,
        route: &Value,
        shown: &Route,
        name: &str,
        build: impl Fn(&Value) -> Result<Option<Value>, Error>,
    ) -> Result<Vec<Value>, Error> {
        let mut told = self.tell(route);
        told.ours.retain(|(owner, _)| *owner != name);
        let (sources, route) = (
            told.others.iter().filter(|rule| self.services.are_split_by(rule)),
            shown.shown(),
        );
        let mut made: Vec<Value> = Vec::new();
        let mut found = false;
        for source in sources {
            found = true;
            let Some(mut rule) = build(source)? else { continue };
            let name = self.free_name(name, made.len(), &told.others, &made);
            if let Some(fields) = rule.as_object_mut() {
                fields.insert("name".to_owned(), json!(name));
            }
            made.push(rule);
        }
        if !found {
            return Err(not_split(shown, self.services));
        }
        if made
            .iter()
            .any(|rule| rule.get("name").and_then(Value::as_str) == Some(name))
            && told
                .others
                .iter()
                .any(|rule| rule.get("name").and_then(Value::as_str) == Some(name))
        {
            return Err(Error::invalid_config(format!(
                "managedRoutes: {route} has a rule `{name}` that was not made for this Rollout; rename one of them"
            )));
        }
        // `name` is among the names, whatever the Rollout's list says.
        let own = self
            .names
            .iter()
            .map(String::as_str)
            .find(|known| *known == name)
            .unwrap_or_default();
        told.ours.extend(made.into_iter().map(|rule| (own, rule)));
        told.ours
            .sort_by_key(|(owner, _)| self.names.iter().position(|known| known == owner));
        Ok(told.ours.into_iter().map(|(_, rule)| rule).chain(told.others).collect())
    }

    /// `NAME` for the first rule, then `NAME-1` and so on, but none that is another's.
    fn free_name(&self, name: &str, index: usize, others: &[Value], made: &[Value]) -> String {
        if index == 0 {
            return name.to_owned();
        }
        let is_taken = |wanted: &String| {
            let mut named = others
                .iter()
                .chain(made)
                .filter_map(|rule| rule.get("name").and_then(Value::as_str));
            named.any(|taken| taken == wanted) || self.names.contains(wanted)
        };
        let mut names = (index..).map(|number| format!("{name}-{number}"));
        names.find(|name| !is_taken(name)).unwrap_or_default()
    }
}

/// No rule of a route splits traffic between the two Services.
pub(crate) fn not_split(route: &Route, services: &Services<'_>) -> Error {
    let Services { stable, canary, .. } = services;
    Error::invalid_config(format!(
        "{}: no rule of {} has both `{stable}` and `{canary}` among its backendRefs",
        route.kind.field(),
        route.shown()
    ))
}

#[cfg(test)]
mod tests {
    use rollcage_sdk::router::Rollout;

    use super::*;
    use crate::route::Kind;

    fn split(name: Option<&str>) -> Value {
        let mut rule = json!({"backendRefs": [{"name": "stable", "port": 80}, {"name": "canary", "port": 80}], "x-unknown": [1.5]});
        if let Some(name) = name {
            rule["name"] = json!(name);
        }
        rule
    }

    fn header(name: &str, service: &str) -> Value {
        json!({"name": name, "backendRefs": [{"name": service, "port": 80}]})
    }

    fn with_names<R>(names: &[&str], test: impl FnOnce(&Managed<'_>) -> R) -> R {
        let rollout = Rollout {
            stable_service: "stable".to_owned(),
            canary_service: "canary".to_owned(),
            ..Rollout::default()
        };
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let services = Services::of(&rollout).unwrap();
        test(&Managed {
            names: &names,
            services: &services,
        })
    }

    fn route() -> Route {
        Route {
            kind: Kind::Http,
            namespace: String::new(),
            name: "r".to_owned(),
            managed: true,
        }
    }

    #[test]
    fn name_and_shape_tell_what_is_ours() {
        with_names(&["a", "a-1", "b"], |managed| {
            let mut mirror = split(Some("b-2"));
            mirror["filters"] = json!([{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "canary"}}}]);
            for (rule, owner) in [
                (header("a", "canary"), Some("a")),
                (header("a-1", "canary"), Some("a-1")),
                (header("a-12", "canary"), Some("a")),
                (header("a-1-3", "canary"), Some("a-1")),
                (header("a", "stable"), Some("a")),
                (mirror, Some("b")),
                (header("a", "other"), None),
                (header("a-01", "canary"), None),
                (header("a-0", "canary"), None),
                (header("a-x", "canary"), None),
                (header("c", "canary"), None),
                (split(Some("a")), None),
                (json!({"backendRefs": [{"name": "canary"}]}), None),
            ] {
                assert_eq!(managed.owner(&rule), owner, "{rule}");
            }
        });
    }

    #[test]
    fn managed_rules_come_first_in_the_rollouts_order() {
        with_names(&["a", "a-1", "b"], |managed| {
            let others = [split(None), header("mine", "canary"), split(Some("a-2"))];
            let route_with = |more: &[Value]| {
                let rules = [others.as_slice(), more].concat();
                json!({"spec": {"rules": rules}})
            };
            let make = |_: &Value| Ok(Some(json!({"backendRefs": [{"name": "canary"}]})));
            let only_b = managed.with(&route_with(&[]), &route(), "b", make).unwrap();
            let both = managed
                .with(&json!({"spec": {"rules": only_b}}), &route(), "a", make)
                .unwrap();
            let names: Vec<_> = both.iter().map(|rule| rule["name"].as_str().unwrap_or("-")).collect();
            // `a-1` is a managed route itself, and `a-2` somebody's rule.
            assert_eq!(names, ["a", "a-3", "b", "b-1", "-", "mine", "a-2"]);
            let route = json!({"spec": {"rules": both}});
            assert_eq!(managed.with(&route, &self::route(), "a", make).unwrap(), both);
            let without_a = managed.without(&route, Some("a"));
            assert_eq!(without_a, only_b);
            assert_eq!(managed.without(&route, None), others);
        });
    }

    #[test]
    fn a_name_of_somebody_else_is_refused() {
        with_names(&["a"], |managed| {
            let route = json!({"spec": {"rules": [split(Some("a"))]}});
            let make = |source: &Value| Ok(Some(source.clone()));
            let error = managed.with(&route, &self::route(), "a", make).unwrap_err();
            assert!(
                error
                    .message()
                    .contains("has a rule `a` that was not made for this Rollout"),
                "{error}"
            );
            let route = json!({"spec": {"rules": [header("x", "canary")]}});
            let error = managed.with(&route, &self::route(), "a", make).unwrap_err();
            assert!(
                error
                    .message()
                    .starts_with("httpRoute: no rule of HTTPRoute `r` has both"),
                "{error}"
            );
        });
    }
}
