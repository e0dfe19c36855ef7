//! Who asks, and what they may do.
//!
//! The server puts an [`Actor`] among the extensions of each request; where there is none, nobody in particular asks, who may
//! only read. Mutations are held against what they take in one place, before anything of them runs (`admit`); a resolver or a
//! route that decides for itself asks [`Actor::may`].

use std::fmt;

use alarm::edit::By;
use async_graphql::{
    Context, ErrorExtensions as _, Name, Positioned, ServerError,
    parser::types::{ExecutableDocument, FragmentDefinition, OperationType, Selection, SelectionSet},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Characters of a reason that are kept.
const MAX_REASON: usize = 1_000;

/// What somebody may do. Who may do more may do all that is less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    #[default]
    Viewer,
    /// Changes rules, routes, silences and incidents.
    Editor,
    /// Changes receivers, where notifications leave with their secrets.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Viewer => "a viewer",
            Role::Editor => "an editor",
            Role::Admin => "an admin",
        })
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The name that the audit keeps.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Why that is all, and what to do about it.
    why: String,
}

/// Somebody may not do what they asked for; the text says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this takes {needed}, and {name} is {role}: {why}")]
pub struct Refused {
    /// What it takes.
    pub needed: Role,
    name: String,
    role: Role,
    why: String,
}

impl Actor {
    /// Somebody with a role. `why` says, in half a sentence, why they may do no more and what to do about it.
    pub fn new(name: impl Into<String>, role: Role, why: impl Into<String>) -> Self {
        Self { name: name.into(), role, why: why.into() }
    }

    /// Whether they may do what takes `needed`.
    ///
    /// # Errors
    /// When they may not: the text is for them.
    pub fn may(&self, needed: Role) -> Result<(), Refused> {
        if self.role >= needed {
            return Ok(());
        }
        Err(Refused { needed, name: self.name.clone(), role: self.role, why: self.why.clone() })
    }

    /// Who the audit says it was: through which interface, and why, in their words, of which it keeps the beginning.
    pub(crate) fn by(&self, source: &str, reason: &str) -> By {
        By { actor: self.name.clone(), source: source.to_owned(), reason: reason.chars().take(MAX_REASON).collect() }
    }
}

impl Default for Actor {
    /// Nobody in particular, who may only read.
    fn default() -> Self {
        Self::new("anonymous", Role::Viewer, "nobody is logged in")
    }
}

/// Who asked for what a resolver answers.
pub fn of(ctx: &Context<'_>) -> Actor {
    ctx.data_opt::<Actor>().cloned().unwrap_or_default()
}

/// What mutations take, where that is not an editor. `None`: they decide for themselves.
const NEEDED: [(&str, Option<Role>); 8] = [
    ("version", Some(Role::Viewer)),
    // UIs without a login edit them, where the operator lets them.
    ("addTemplate", None),
    ("changeTemplate", None),
    ("disableTemplate", None),
    // They change nothing and cost no more than a query.
    ("validateAlarmRule", Some(Role::Viewer)),
    ("dryRunAlarmRule", Some(Role::Viewer)),
    // They may bring receivers.
    ("applyAlarmConfig", Some(Role::Admin)),
    ("importAlarmSettings", Some(Role::Admin)),
];

/// What a mutation of this name takes; `None`: it decides for itself.
fn needed(mutation: &str) -> Option<Role> {
    // All that changes receivers, or sends to one.
    if mutation.ends_with("AlarmReceiver") {
        return Some(Role::Admin);
    }
    NEEDED.iter().find(|(name, _)| *name == mutation).map_or(Some(Role::Editor), |(_, role)| *role)
}

/// Refuses a document whose operation has a mutation that `actor` may not ask for.
///
/// # Errors
/// Names the mutation and says what to do.
pub(crate) fn admit(document: &ExecutableDocument, operation: Option<&str>, actor: &Actor) -> Result<(), ServerError> {
    let chosen = document.operations.iter().filter(|(name, operation_here)| {
        let is_chosen = operation.is_none() || name.is_none() || name.map(Name::as_str) == operation;
        is_chosen && operation_here.node.ty == OperationType::Mutation
    });
    for (_, mutation) in chosen {
        let mut seen = HashSet::new();
        fields(&mutation.node.selection_set.node, &document.fragments, &mut seen, &mut |field| {
            let Some(needed) = needed(field.node) else { return Ok(()) };
            actor.may(needed).map_err(|refused| {
                let error = async_graphql::Error::new(format!("{}: {refused}", field.node));
                error.extend_with(|_, values| values.set("code", "FORBIDDEN")).into_server_error(field.pos)
            })
        })?;
    }
    Ok(())
}

/// Calls `found` with the name of each field of a set, those of its fragments among them, each fragment once.
fn fields<'d>(
    set: &'d SelectionSet,
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    seen: &mut HashSet<&'d str>,
    found: &mut impl FnMut(Positioned<&'d str>) -> Result<(), ServerError>,
) -> Result<(), ServerError> {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => found(Positioned::new(field.node.name.node.as_str(), item.pos))?,
            Selection::InlineFragment(inline) => fields(&inline.node.selection_set.node, fragments, seen, found)?,
            Selection::FragmentSpread(spread) => {
                let name = spread.node.fragment_name.node.as_str();
                if let Some(fragment) = fragments.get(name).filter(|_| seen.insert(name)) {
                    fields(&fragment.node.selection_set.node, fragments, seen, found)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn who_may_more_may_less_and_who_may_not_is_told_what_to_do() {
        let roles = [Role::Viewer, Role::Editor, Role::Admin];
        for role in roles {
            for needed in roles {
                let actor = Actor::new("eve", role, "ask ann");
                assert_eq!(actor.may(needed).is_ok(), role >= needed, "{role} {needed}");
            }
        }
        let refused = Actor::new("eve", Role::Viewer, "ask ann").may(Role::Admin).unwrap_err();
        assert_eq!(refused.to_string(), "this takes an admin, and eve is a viewer: ask ann");
    }

    #[test]
    fn a_reason_is_kept_as_far_as_there_is_room() {
        let long = "ä".repeat(2_000);
        let by = Actor::new("eve", Role::Editor, "").by("rest", &long);
        assert_eq!((by.actor.as_str(), by.source.as_str(), by.reason), ("eve", "rest", "ä".repeat(1_000)));
    }

    fn refused(query: &str, operation: Option<&str>, role: Role) -> Option<String> {
        let document = parse_query(query).unwrap();
        admit(&document, operation, &Actor::new("eve", role, "")).err().map(|error| error.message)
    }

    #[test]
    fn mutations_are_found_wherever_they_hide() {
        for hidden in [
            "mutation { deleteIt }",
            "mutation { x: deleteIt }",
            "mutation { version deleteIt }",
            "mutation { ... { ... on Mutation { deleteIt } } }",
            "mutation { ...A } fragment A on Mutation { ...B } fragment B on Mutation { ...A deleteIt }",
            "query q { version } mutation m { deleteIt }",
        ] {
            let told = refused(hidden, None, Role::Viewer).unwrap_or_else(|| panic!("{hidden} passes"));
            assert!(told.starts_with("deleteIt: this takes an editor"), "{told}");
            assert_eq!(refused(hidden, None, Role::Editor), None, "{hidden}");
        }
    }

    #[test]
    fn what_is_not_asked_for_is_not_held_against_anybody() {
        let both = "query q { version } mutation m { deleteIt }";
        assert_eq!(refused(both, Some("q"), Role::Viewer), None);
        assert!(refused(both, Some("m"), Role::Viewer).is_some());
        assert_eq!(refused("mutation { version addTemplate validateAlarmRule }", None, Role::Viewer), None);
        assert_eq!(refused("{ deleteIt }", None, Role::Viewer), None);
    }

    #[test]
    fn receivers_take_an_admin() {
        for name in ["upsertAlarmReceiver", "deleteAlarmReceiver", "testAlarmReceiver", "applyAlarmConfig"] {
            let query = format!("mutation {{ {name} }}");
            assert!(refused(&query, None, Role::Editor).is_some(), "{name}");
            assert_eq!(refused(&query, None, Role::Admin), None, "{name}");
        }
    }
}
