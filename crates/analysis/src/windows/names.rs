//! Texts that many windows share, each there once for as long as somebody has it.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// What a text takes beside its bytes.
const OVERHEAD: usize = 64;

/// Texts by numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    hasher: RandomState,
    index: HashTable<u32>,
    all: Vec<Name>,
    free: Vec<u32>,
    bytes: usize,
}

#[derive(Debug)]
struct Name {
    text: Box<str>,
    /// How many have it; of nobody's the place is free.
    users: usize,
}

fn place(number: u32) -> usize {
    usize::try_from(number).expect("it was made of one")
}

impl Names {
    /// The number of a text, for one more who has it.
    pub(super) fn get(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        if let Some(&number) = self.index.find(hash, |&number| *self.all[place(number)].text == *text) {
            self.all[place(number)].users += 1;
            return number;
        }
        let name = Name { text: text.into(), users: 1 };
        self.bytes += OVERHEAD + text.len();
        let number = match self.free.pop() {
            Some(number) => {
                self.all[place(number)] = name;
                number
            }
            None => {
                self.all.push(name);
                u32::try_from(self.all.len() - 1).expect("texts that fit into memory")
            }
        };
        let (all, hasher) = (&self.all, &self.hasher);
        self.index.insert_unique(hash, number, |&number| hasher.hash_one(&*all[place(number)].text));
        number
    }

    /// The text of a number that somebody has.
    pub(super) fn text(&self, number: u32) -> &str {
        &self.all[place(number)].text
    }

    /// One of those who have it has it no more.
    pub(super) fn release(&mut self, number: u32) {
        let name = &mut self.all[place(number)];
        name.users -= 1;
        if name.users > 0 {
            return;
        }
        let text = std::mem::take(&mut name.text);
        self.bytes -= OVERHEAD + text.len();
        self.free.push(number);
        if let Ok(entry) = self.index.find_entry(self.hasher.hash_one(&*text), |&other| other == number) {
            entry.remove();
        }
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_there_once_and_go_with_the_last_who_has_them() {
        let mut names = Names::default();
        let (a, b, again) = (names.get("a"), names.get("b"), names.get("a"));
        assert!(a == again && a != b);
        assert_eq!((names.text(a), names.text(b)), ("a", "b"));
        names.release(a);
        assert_eq!(names.text(a), "a");
        names.release(a);
        assert_eq!((names.get("c"), names.text(b)), (a, "b"), "a place that is free is taken again");
        names.release(a);
        names.release(b);
        assert_eq!(names.bytes(), 0);
        let many: Vec<_> = (0..1_000).map(|n| names.get(&n.to_string())).collect();
        assert!(many.iter().enumerate().all(|(n, number)| names.text(*number) == n.to_string()));
    }
}
