//! The plugin inside its component: made and initialised once an instance.

use std::{any::Any, cell::RefCell, marker::PhantomData, rc::Rc};

use crate::{
    Error,
    bindings::imports::rollcage::plugin::types::{Description, Wants},
};

/// What `describe` says about the crate that holds the plugin. The export macros implement it.
pub trait Package {
    /// The crate's `description`, or its name.
    const SUMMARY: &'static str;
    /// The crate's `version`.
    const VERSION: &'static str;
}

/// The component around a plugin `T` of package `P`. The export macros name it; plugins do not.
#[derive(Debug)]
pub struct Component<P, T>(PhantomData<(P, T)>);

thread_local! {
    /// A component is single-threaded and holds one plugin.
    static PLUGIN: RefCell<Option<Rc<dyn Any>>> = const { RefCell::new(None) };
}

/// Makes the plugin and lets it initialise itself. The host calls `init` once in every instance before anything else.
pub(crate) fn initialize<T: Default + 'static>(init: impl FnOnce(&mut T) -> Result<(), Error>) -> Result<(), Error> {
    crate::host::log_panics();
    let mut plugin = T::default();
    init(&mut plugin)?;
    PLUGIN.with_borrow_mut(|slot| *slot = Some(Rc::new(plugin)));
    Ok(())
}

/// The initialised plugin.
pub(crate) fn current<T: Default + 'static>() -> Result<Rc<T>, Error> {
    PLUGIN
        .with_borrow(Clone::clone)
        .and_then(|plugin| plugin.downcast::<T>().ok())
        .ok_or_else(|| Error::internal("called before init"))
}

pub(crate) fn describe<P: Package>(wants: Wants) -> Description {
    Description {
        summary: P::SUMMARY.to_owned(),
        version: P::VERSION.to_owned(),
        wants,
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Wants {
    fn default() -> Self {
        Self {
            http: Vec::new(),
            kubernetes: Vec::new(),
            credentials: Vec::new(),
            env: Vec::new(),
        }
    }
}

/// Implements [`Package`] for the calling crate; used by the export macros.
#[doc(hidden)]
#[macro_export]
macro_rules! __package {
    ($name:ident) => {
        struct $name;
        impl $crate::Package for $name {
            const SUMMARY: &'static str = if env!("CARGO_PKG_DESCRIPTION").is_empty() {
                env!("CARGO_PKG_NAME")
            } else {
                env!("CARGO_PKG_DESCRIPTION")
            };
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
        }
    };
}
