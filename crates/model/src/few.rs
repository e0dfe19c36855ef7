//! A list that nearly always has one element: that one lies in the list itself, and only more of them need memory of their own.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

/// A list without an allocation while it has at most one element. Reads like a slice.
#[derive(Clone, Serialize, Deserialize)]
#[serde(
    from = "Vec<T>",
    into = "Vec<T>",
    bound(serialize = "T: Clone + Serialize", deserialize = "T: Deserialize<'de>")
)]
pub struct Few<T>(Inner<T>);

#[derive(Clone)]
enum Inner<T> {
    One(T),
    Any(Vec<T>),
}

impl<T> Few<T> {
    /// Nothing.
    pub const fn new() -> Self {
        Few(Inner::Any(Vec::new()))
    }

    /// Puts an element at a place, and the rest behind it. Panics where `at` is beyond the end.
    pub fn insert(&mut self, at: usize, element: T) {
        match &mut self.0 {
            Inner::Any(any) if any.capacity() == 0 && at == 0 => self.0 = Inner::One(element),
            _ => self.vec().insert(at, element),
        }
    }

    /// The list with memory of its own, to do with what a vector can.
    pub(crate) fn vec(&mut self) -> &mut Vec<T> {
        self.0 = match std::mem::replace(&mut self.0, Inner::Any(Vec::new())) {
            Inner::One(one) => {
                let mut any = Vec::with_capacity(4);
                any.push(one);
                Inner::Any(any)
            }
            any => any,
        };
        match &mut self.0 {
            Inner::Any(any) => any,
            Inner::One(_) => unreachable!("it was just replaced"),
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few::new()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Inner::One(one) => std::slice::from_ref(one),
            Inner::Any(any) => any,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Inner::One(one) => std::slice::from_mut(one),
            Inner::Any(any) => any,
        }
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(any: Vec<T>) -> Self {
        Few(Inner::Any(any))
    }
}

impl<T> From<Few<T>> for Vec<T> {
    fn from(few: Few<T>) -> Self {
        match few.0 {
            Inner::One(one) => vec![one],
            Inner::Any(any) => any,
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Vec::from_iter(elements).into()
    }
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Few<T> {}

impl<T: std::fmt::Debug> std::fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_same_however_it_came_about() {
        let mut few = Few::new();
        assert!(few.is_empty());
        for (at, n) in [(0, 5), (0, 3), (2, 9), (1, 4)] {
            few.insert(at, n);
        }
        assert_eq!(*few, [3, 4, 5, 9]);
        assert_eq!(few, Few::from(vec![3, 4, 5, 9]));
        let mut one = Few::new();
        one.insert(0, 1);
        assert_eq!(one, std::iter::once(1).collect());
        one[0] = 2;
        assert_eq!(format!("{one:?}"), "[2]");
        assert_eq!(Vec::from(one), [2]);
    }

    #[test]
    fn it_is_no_larger_than_a_vector() {
        assert_eq!(size_of::<Few<(i32, u64)>>(), size_of::<Vec<u8>>());
        assert_eq!(size_of::<Few<i32>>(), size_of::<Vec<u8>>());
    }
}
