//! What a query may cost before it is looked at closely.
//!
//! The GraphQL library counts fields and depth while it walks a document with its fragments expanded, so a document whose
//! fragments double at every level would already cost it everything. Here such a document is refused first, in time that
//! is linear in its length. The library's own limits then hold for what passes.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, ServerError,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::{
        parse_query,
        types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
    },
};
use std::sync::Arc;

/// How many brackets may be open at once. The parser descends by recursion into nested lists and objects.
const MAX_BRACKETS: usize = 100;

/// Parses a query, or says why it is not even worth validating.
///
/// # Errors
/// A syntax error, brackets nested deeper than [`MAX_BRACKETS`], or fragments that expand to more than four times
/// `max_complexity` selections (spreads count here, and alternatives of one request do too).
pub(crate) fn admit(query: &str, max_complexity: usize) -> Result<ExecutableDocument, ServerError> {
    if bracket_depth(query) > MAX_BRACKETS {
        return Err(ServerError::new("Query is nested too deep.", None));
    }
    let document = parse_query(query)?;
    let mut sizes = HashMap::new();
    let total = document.operations.iter().fold(0usize, |sum, (_, operation)| {
        sum.saturating_add(size(&operation.node.selection_set.node, &document.fragments, &mut sizes))
    });
    if total > max_complexity.saturating_mul(4) {
        return Err(ServerError::new("Query is too complex.", None));
    }
    Ok(document)
}

/// The greatest number of brackets open at once, outside strings and comments. Unbalanced text is the parser's affair.
fn bracket_depth(query: &str) -> usize {
    let bytes = query.as_bytes();
    let (mut depth, mut deepest, mut at) = (0usize, 0usize, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' | b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'#' => at += bytes.iter().skip(at).take_while(|byte| **byte != b'\n').count().saturating_sub(1),
            b'"' => at = string_end(bytes, at),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Where the string that begins at `start` ends (its last quote), or the last byte when it never does.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let is_block = bytes.get(start..start + 3) == Some(b"\"\"\"");
    let quote: &[u8] = if is_block { b"\"\"\"" } else { b"\"" };
    let mut at = start + quote.len();
    while at < bytes.len() {
        if bytes.get(at) == Some(&b'\\') {
            at += 2;
        } else if bytes.get(at..at + quote.len()) == Some(quote) {
            return at + quote.len() - 1;
        } else if !is_block && bytes.get(at) == Some(&b'\n') {
            return at;
        } else {
            at += 1;
        }
    }
    bytes.len().saturating_sub(1)
}

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// How many selections a set expands to. A fragment inside itself counts as one: validation refuses it by name.
fn size<'d>(set: &'d SelectionSet, fragments: &'d Fragments, sizes: &mut HashMap<&'d str, usize>) -> usize {
    set.items.iter().fold(0usize, |sum, item| {
        let below = match &item.node {
            Selection::Field(field) => size(&field.node.selection_set.node, fragments, sizes),
            Selection::InlineFragment(inline) => size(&inline.node.selection_set.node, fragments, sizes),
            Selection::FragmentSpread(spread) => {
                let name = spread.node.fragment_name.node.as_str();
                match (sizes.get(name), fragments.get(name)) {
                    (Some(known), _) => *known,
                    (None, None) => 0,
                    (None, Some(fragment)) => {
                        sizes.insert(name, 0);
                        let expanded = size(&fragment.node.selection_set.node, fragments, sizes);
                        sizes.insert(name, expanded);
                        expanded
                    }
                }
            }
        };
        sum.saturating_add(1).saturating_add(below)
    })
}

/// Words validation errors so that clients recognise them: swctl looks for the field's name and one of a few phrases of
/// other GraphQL servers to tell "this server has no such query" from a failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValidationWording;

impl ExtensionFactory for ValidationWording {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for ValidationWording {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<async_graphql::ValidationResult, Vec<ServerError>> {
        next.run(ctx).await.map_err(|mut errors| {
            for error in &mut errors {
                // A limit is no fault in the document and has no place in it.
                if !error.locations.is_empty() {
                    let kind = if error.message.starts_with("Unknown field") { " (FieldUndefined)" } else { "" };
                    error.message = format!("Validation error{kind}: {}", error.message);
                }
            }
            errors
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(query: &str) -> Option<String> {
        admit(query, 100).err().map(|error| error.message)
    }

    #[test]
    fn fragments_that_double_at_every_level_are_refused_at_once() {
        let mut query = "{ ...f0 }".to_owned();
        for level in 0..60 {
            query += &format!(" fragment f{level} on Query {{ ...f{next} ...f{next} }}", next = level + 1);
        }
        query += " fragment f60 on Query { version }";
        assert_eq!(refusal(&query).as_deref(), Some("Query is too complex."));
        assert_eq!(refusal("{ ...a } fragment a on Query { version ...a }"), None);
    }

    #[test]
    fn brackets_are_counted_outside_strings_and_comments() {
        assert_eq!(bracket_depth("{ a(b: [{c: 1}]) { d } }"), 4);
        assert_eq!(bracket_depth("{ a(b: \"{[\\\"((\") } # {{{{"), 2);
        assert_eq!(bracket_depth("{ a(b: \"\"\"{[ \" ((\"\"\") } # {{{{\n[[["), 3);
        assert_eq!(bracket_depth("\"never closed {{{"), 0);
        assert_eq!(
            refusal(&format!("{{ a(b: {}) }}", "[".repeat(100_000))).as_deref(),
            Some("Query is nested too deep.")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_or_an_error(query in "\\PC{0,40}|[{}\\[\\]()\"\\\\#a:$.@ \n]{0,80}") {
            let depth = bracket_depth(&query);
            prop_assert!(depth <= query.len());
            if admit(&query, 100).is_ok() {
                prop_assert!(depth > 0, "{query}");
            }
        }
    }
}
