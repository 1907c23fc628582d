//! Counts who is inside, so that neither a crowd nor one address takes all there is.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thiserror::Error;

/// Viewers in all.
const MOST: usize = 2000;

/// Viewers from one address.
const MOST_OF_ONE: usize = 20;

/// Why a viewer is not let in.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TooManyViewers {
    /// All places are taken.
    #[error("too many viewers are connected: try again later")]
    InAll,
    /// All places of one address are taken.
    #[error("too many viewers are connected from this address: close some of them")]
    OfOne,
}

/// Counts who is inside.
#[derive(Debug, Default)]
pub(super) struct Doorman {
    inside: Mutex<HashMap<IpAddr, usize>>,
}

/// A viewer's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    doorman: Arc<Doorman>,
    address: IpAddr,
}

impl Doorman {
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Pass, TooManyViewers> {
        let mut inside = self.lock();
        if inside.values().sum::<usize>() >= MOST {
            return Err(TooManyViewers::InAll);
        }
        let of_one = inside.get(&address).copied().unwrap_or(0);
        if of_one >= MOST_OF_ONE && !address.is_loopback() {
            return Err(TooManyViewers::OfOne);
        }
        inside.insert(address, of_one + 1);
        Ok(Pass { doorman: self.clone(), address })
    }

    pub(super) fn inside(&self) -> usize {
        self.lock().values().sum()
    }

    fn leave(&self, address: IpAddr) {
        let mut inside = self.lock();
        if let Some(count) = inside.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&address);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.doorman.leave(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let doorman = Arc::new(Doorman::default());
        let remote: IpAddr = "192.0.2.1".parse().unwrap();
        let mut passes: Vec<Pass> = (0..MOST_OF_ONE).map(|_| doorman.admit(remote).unwrap()).collect();
        assert_eq!(doorman.admit(remote).err(), Some(TooManyViewers::OfOne));
        passes.pop();
        passes.push(doorman.admit(remote).unwrap());

        // A proxy on this machine stands for everybody, up to the limit of all.
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        passes.extend((MOST_OF_ONE..MOST).map(|_| doorman.admit(local).unwrap()));
        assert_eq!(doorman.admit(local).err(), Some(TooManyViewers::InAll));
        drop(passes);
        assert_eq!(doorman.inside(), 0);
    }
}
