//! What an alarm is about, in the words of SkyWalking's alarms.

use model::{Scope, id};
use serde::{Deserialize, Serialize};

/// Something that a rule watches: a service, an instance, an endpoint, or a call between two of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entity {
    /// Its scope: one of the first six.
    pub scope: Scope,
    /// The entity id of its rows.
    pub id: String,
    /// The name that rules filter by and messages show: `svc`, `inst of svc`, `ep in svc`, and `a to b` of two such.
    pub name: String,
}

/// The parts of an entity, as routes and templates ask for them. What it does not have is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The service; of a relation the destination's.
    pub service: String,
    /// Whether that service is one that reports.
    pub normal: bool,
    /// The instance.
    pub instance: String,
    /// The endpoint.
    pub endpoint: String,
    /// The service that calls, where it is a relation.
    pub source_service: String,
}

impl Entity {
    /// The entity of a row; `None` where alarms know no such scope, or the id is none of it.
    pub fn of(scope: Scope, entity: String) -> Option<Self> {
        let name = match scope {
            Scope::Service | Scope::ServiceInstance | Scope::Endpoint => name(scope, &entity)?,
            Scope::ServiceRelation => relation(Scope::Service, &entity)?,
            Scope::ServiceInstanceRelation => relation(Scope::ServiceInstance, &entity)?,
            Scope::EndpointRelation => relation(Scope::Endpoint, &entity)?,
            _ => return None,
        };
        Some(Entity { scope, id: entity, name })
    }

    /// The two ids that SkyWalking shows: the entity's own and an empty text, or those of both ends.
    pub fn ids(&self) -> (String, String) {
        let ends = match self.scope {
            Scope::Service | Scope::ServiceInstance | Scope::Endpoint => None,
            _ => id::relation_ends(&self.id),
        };
        ends.unwrap_or_else(|| (self.id.to_string(), String::new()))
    }

    /// SkyWalking's name of the scope, as its payloads have it.
    pub fn scope_name(&self) -> &'static str {
        scope_name(self.scope)
    }

    /// SkyWalking's number of the scope, 1 to 6.
    pub fn scope_id(&self) -> u8 {
        self.scope.code()
    }

    /// Its parts.
    pub fn parts(&self) -> Parts {
        let (first, second) = self.ids();
        let own = if second.is_empty() { &first } else { &second };
        let mut parts = Parts::default();
        if let Ok((service, normal)) = id::parse_service(id::service_of(own)) {
            (parts.service, parts.normal) = (service, normal);
        }
        match self.scope {
            Scope::ServiceInstance | Scope::ServiceInstanceRelation => {
                parts.instance = id::parse_instance(own).map(|(_, name)| name).unwrap_or_default();
            }
            Scope::Endpoint | Scope::EndpointRelation => {
                parts.endpoint = id::parse_endpoint(own).map(|(_, name)| name).unwrap_or_default();
            }
            _ => {}
        }
        if !second.is_empty() {
            parts.source_service =
                id::parse_service(id::service_of(&first)).map(|(service, _)| service).unwrap_or_default();
        }
        parts
    }
}

/// SkyWalking's name of one of the six scopes that alarms know.
pub(crate) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Service => "SERVICE",
        Scope::ServiceInstance => "SERVICE_INSTANCE",
        Scope::Endpoint => "ENDPOINT",
        Scope::ServiceRelation => "SERVICE_RELATION",
        Scope::ServiceInstanceRelation => "SERVICE_INSTANCE_RELATION",
        _ => "ENDPOINT_RELATION",
    }
}

/// The name of what is no relation.
fn name(scope: Scope, entity: &str) -> Option<String> {
    let service = || id::parse_service(id::service_of(entity)).ok().map(|(service, _)| service);
    Some(match scope {
        Scope::Service => id::parse_service(entity).ok()?.0,
        Scope::ServiceInstance => format!("{} of {}", id::parse_instance(entity).ok()?.1, service()?),
        _ => format!("{} in {}", id::parse_endpoint(entity).ok()?.1, service()?),
    })
}

fn relation(ends: Scope, entity: &str) -> Option<String> {
    let (source, dest) = id::relation_ends(entity)?;
    Some(format!("{} to {}", name(ends, &source)?, name(ends, &dest)?))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn names_and_ids_are_those_of_skywalking() {
        let (a, b) = (id::service("a", true), id::service("b", false));
        let (a1, b1) = (id::instance(&a, "a1"), id::instance(&b, "b1"));
        let all = [
            (Scope::Service, a.clone()),
            (Scope::Service, b.clone()),
            (Scope::ServiceInstance, a1.clone()),
            (Scope::Endpoint, id::endpoint(&a, "/x")),
            (Scope::ServiceRelation, id::relation(&a, &b)),
            (Scope::ServiceInstanceRelation, id::relation(&a1, &b1)),
            (Scope::EndpointRelation, id::endpoint_relation(&a, "/x", &b, "/y")),
        ];
        let shown: String = all
            .into_iter()
            .map(|(scope, id)| {
                let entity = Entity::of(scope, id).unwrap();
                let (id0, id1) = entity.ids();
                format!("{} {} | {} | {id0} | [{id1}]\n", entity.scope_id(), entity.scope_name(), entity.name)
            })
            .collect();
        expect![[r#"
            1 SERVICE | a | YQ==.1 | []
            1 SERVICE | b | Yg==.0 | []
            2 SERVICE_INSTANCE | a1 of a | YQ==.1_YTE= | []
            3 ENDPOINT | /x in a | YQ==.1_L3g= | []
            4 SERVICE_RELATION | a to b | YQ==.1 | [Yg==.0]
            5 SERVICE_INSTANCE_RELATION | a1 of a to b1 of b | YQ==.1_YTE= | [Yg==.0_YjE=]
            6 ENDPOINT_RELATION | /x in a to /y in b | YQ==.1_L3g= | [Yg==.0_L3k=]
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn other_scopes_and_foreign_ids_are_none() {
        assert!(Entity::of(Scope::Process, "p".into()).is_none());
        assert!(Entity::of(Scope::Service, "not an id".into()).is_none());
        assert!(Entity::of(Scope::EndpointRelation, "YQ==.1".into()).is_none());
    }
}
