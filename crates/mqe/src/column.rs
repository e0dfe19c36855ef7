//! Numbers by bucket and entity, the form in which evaluation works on many entities at once.

/// Values by bucket, for one entity or for several that are evaluated together. Each value may be empty.
///
/// The values of one bucket lie side by side, so that what is done to an entity is done to its neighbours in the same
/// breath.
#[derive(Debug, Clone)]
pub struct Column {
    width: usize,
    /// What stands where nothing is present means nothing.
    numbers: Vec<f64>,
    present: Vec<bool>,
}

impl Column {
    /// So many buckets of so many entities (one at least), all empty.
    pub fn empty(width: usize, n_buckets: usize) -> Self {
        let width = width.max(1);
        Self { width, numbers: vec![0.0; width * n_buckets], present: vec![false; width * n_buckets] }
    }

    /// The same value everywhere.
    pub(crate) fn filled(width: usize, n_buckets: usize, value: f64) -> Self {
        let width = width.max(1);
        Self { width, numbers: vec![value; width * n_buckets], present: vec![true; width * n_buckets] }
    }

    /// How many entities.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many buckets.
    pub fn n_buckets(&self) -> usize {
        self.numbers.len() / self.width
    }

    /// The value of an entity in a bucket. `None` where it is empty, and outside.
    pub fn get(&self, bucket: usize, entity: usize) -> Option<f64> {
        let at = self.index(bucket, entity)?;
        if *self.present.get(at)? { self.numbers.get(at).copied() } else { None }
    }

    /// Writes the value of an entity in a bucket. Outside nothing happens.
    pub fn set(&mut self, bucket: usize, entity: usize, value: Option<f64>) {
        let Some(at) = self.index(bucket, entity) else { return };
        if let (Some(number), Some(present)) = (self.numbers.get_mut(at), self.present.get_mut(at)) {
            (*number, *present) = (value.unwrap_or_default(), value.is_some());
        }
    }

    fn index(&self, bucket: usize, entity: usize) -> Option<usize> {
        (entity < self.width).then(|| bucket * self.width + entity)
    }

    /// All values, bucket by bucket.
    pub fn iter(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        self.numbers.iter().zip(&self.present).map(|(number, present)| present.then_some(*number))
    }

    /// The values of one entity, bucket by bucket.
    pub fn of_entity(&self, entity: usize) -> impl Iterator<Item = Option<f64>> + '_ {
        (0..self.n_buckets()).map(move |bucket| self.get(bucket, entity))
    }

    /// Of each bucket the numbers and which of them are present, by entity.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (&[f64], &[bool])> {
        self.numbers.chunks_exact(self.width).zip(self.present.chunks_exact(self.width))
    }

    /// Changes each value that is present.
    pub(crate) fn map(&mut self, change: impl Fn(f64) -> f64) {
        self.numbers.iter_mut().for_each(|number| *number = change(*number));
    }

    /// Empties the values that do not stand the test.
    pub(crate) fn keep(&mut self, test: impl Fn(f64) -> bool) {
        for (number, present) in self.numbers.iter().zip(&mut self.present) {
            *present &= test(*number);
        }
    }

    /// Replaces each value by what it and its counterpart make; empty with anything is empty. `other` has as many buckets, or
    /// one that meets each.
    pub(crate) fn zip(&mut self, other: &Self, make: impl Fn(f64, f64) -> f64) {
        let one = self.width;
        if other.numbers.len() == one {
            for (numbers, present) in self.numbers.chunks_exact_mut(one).zip(self.present.chunks_exact_mut(one)) {
                meet(numbers, present, &other.numbers, &other.present, &make);
            }
        } else {
            meet(&mut self.numbers, &mut self.present, &other.numbers, &other.present, &make);
        }
    }

    /// Without the first buckets.
    pub(crate) fn skip(&self, n_buckets: usize) -> Self {
        let from = n_buckets.saturating_mul(self.width).min(self.numbers.len());
        let (numbers, present) = (self.numbers.split_at(from).1.to_vec(), self.present.split_at(from).1.to_vec());
        Self { width: self.width, numbers, present }
    }

    /// With the buckets of another, of as many entities, behind its own.
    pub(crate) fn append(&mut self, other: &Self) {
        self.numbers.extend_from_slice(&other.numbers);
        self.present.extend_from_slice(&other.present);
    }

    /// Cut, or filled up with empty buckets, to a length.
    pub(crate) fn resize(&mut self, n_buckets: usize) {
        self.numbers.resize(self.width * n_buckets, 0.0);
        self.present.resize(self.width * n_buckets, false);
    }

    /// For each entity whether any bucket has a value.
    pub(crate) fn any(&self) -> Vec<bool> {
        let mut any = vec![false; self.width];
        for (_, present) in self.buckets() {
            any.iter_mut().zip(present).for_each(|(any, present)| *any |= present);
        }
        any
    }
}

fn meet(
    numbers: &mut [f64],
    present: &mut [bool],
    others: &[f64],
    others_present: &[bool],
    make: &impl Fn(f64, f64) -> f64,
) {
    numbers.iter_mut().zip(others).for_each(|(number, other)| *number = make(*number, *other));
    present.iter_mut().zip(others_present).for_each(|(present, other)| *present &= other);
}

/// The buckets of one entity.
impl FromIterator<Option<f64>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<f64>>>(values: I) -> Self {
        let mut column = Self::empty(1, 0);
        for value in values {
            column.numbers.push(value.unwrap_or_default());
            column.present.push(value.is_some());
        }
        column
    }
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.width == other.width && self.iter().eq(other.iter())
    }
}
