//! Typed attachments: state that a higher layer keeps on a virtual machine or on the system.
//!
//! CP knows nothing of spool devices or CMS; those crates hang their own state on the [`crate::vm::Vm`] here and find
//! it again by its type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// A map from type to the one value of that type.
#[derive(Default)]
pub struct Extensions {
    values: RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Extensions {
    /// The value of type `T`, if one was set.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.values.read().get(&TypeId::of::<T>()).cloned().and_then(|v| v.downcast().ok())
    }

    /// The value of type `T`, made by `make` when there is none yet.
    pub fn get_or_insert_with<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(value) = self.get() {
            return value;
        }
        let fresh: Arc<T> = Arc::new(make());
        let mut values = self.values.write();
        let kept = values.entry(TypeId::of::<T>()).or_insert_with(|| fresh.clone());
        kept.clone().downcast().unwrap_or(fresh)
    }

    /// Sets the value of type `T`, replacing an earlier one.
    pub fn set<T: Send + Sync + 'static>(&self, value: Arc<T>) {
        self.values.write().insert(TypeId::of::<T>(), value);
    }
}
