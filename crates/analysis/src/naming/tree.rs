//! The token tree of custom rules: `/prod/{var}` (analysis 2.9.2).

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// What stands in a pattern for any one token.
pub(super) const VAR: &str = "{var}";

/// The tokens of a name or pattern: what is between slashes. A slash at the beginning says nothing, and neither does one at the
/// end; two in a row have an empty token between them.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> + Clone {
    let text = text.strip_prefix('/').unwrap_or(text);
    // `split` answers one empty part for an empty text, and one behind a slash at the end.
    let text = text.strip_suffix('/').or_else(|| Some(text).filter(|text| !text.is_empty()));
    text.into_iter().flat_map(|text| text.split('/'))
}

/// A tree of patterns. In every node what was inserted first is tried first, and the first that fits is taken for good: a `{var}`
/// that was inserted before a literal hides it, and there is no way back up.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    roots: HashMap<Box<str>, Node, RandomState>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Where the node stands among those of the same parent.
    order: usize,
    /// Set where a pattern ends.
    pattern: Option<Arc<str>>,
    literals: HashMap<Box<str>, Node, RandomState>,
    any: Option<Box<Node>>,
}

impl Node {
    fn child(&mut self, token: &str) -> &mut Node {
        let order = self.literals.len() + usize::from(self.any.is_some());
        let fresh = || Node { order, ..Node::default() };
        match token {
            VAR => self.any.get_or_insert_with(|| Box::new(fresh())),
            literal => self.literals.entry(literal.into()).or_insert_with(fresh),
        }
    }

    fn step(&self, token: &str) -> Option<&Node> {
        let any = self.any.as_deref();
        match (self.literals.get(token), any) {
            (Some(literal), Some(any)) if any.order < literal.order => Some(any),
            (Some(literal), _) => Some(literal),
            (None, any) => any,
        }
    }
}

impl Tree {
    /// Adds a pattern, shown as `shown` when it matches. The first token is always a literal, also where it reads `{var}`. Answers
    /// whether there was anything in it.
    pub(super) fn insert(&mut self, pattern: &str, shown: Arc<str>) -> bool {
        let mut tokens = tokens(pattern);
        let Some(first) = tokens.next() else { return false };
        let root = self.roots.entry(first.into()).or_default();
        tokens.fold(root, |node, token| node.child(token)).pattern = Some(shown);
        true
    }

    /// What the tokens of a name lead to.
    pub(super) fn find<'t>(&self, tokens: impl Iterator<Item = &'t str>) -> Found<'_> {
        let mut tokens = tokens.fuse();
        let (first, mut next) = (tokens.next(), tokens.next());
        // No variable could stand in a name of one token, so that such a name is as it should be, whatever the patterns say. Of a
        // name without any the reference fails; it is one of those.
        let (Some(first), Some(_)) = (first, next) else { return Found::AsItIs };
        let Some(mut node) = self.roots.get(first) else { return Found::Nothing };
        while let Some(token) = next {
            let Some(child) = node.step(token) else { return Found::Nothing };
            (node, next) = (child, tokens.next());
        }
        node.pattern.as_ref().map_or(Found::Nothing, Found::Pattern)
    }
}

/// What a tree says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// It matches this pattern.
    Pattern(&'a Arc<str>),
    /// It needs none.
    AsItIs,
    /// It matches none.
    Nothing,
}
