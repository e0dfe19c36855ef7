//! The same service or instance seen in several layers.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::{
    Error,
    app::{app, snapshot},
    hierarchy,
};

/// Queries: the same service or instance seen in several layers.
#[derive(Debug, Default, Clone, Copy)]
pub struct HierarchyQuery;

#[Object]
impl HierarchyQuery {
    /// Layers that take part in the hierarchy, with their levels.
    async fn list_layer_levels(&self, ctx: &Context<'_>) -> Vec<LayerLevel> {
        hierarchy::levels(app(ctx))
    }

    /// How a service is seen in other layers. In a layer that does not exist it is seen nowhere.
    async fn get_service_hierarchy(
        &self,
        ctx: &Context<'_>,
        service_id: ID,
        layer: String,
    ) -> Result<ServiceHierarchy> {
        hierarchy::of_service(app(ctx), snapshot(ctx), &service_id, &layer).await.map_err(Error::into_graphql)
    }

    /// How an instance is seen in the layers directly above and below.
    async fn get_instance_hierarchy(
        &self,
        ctx: &Context<'_>,
        instance_id: ID,
        layer: String,
    ) -> Result<InstanceHierarchy> {
        hierarchy::of_instance(app(ctx), snapshot(ctx), &instance_id, &layer).await.map_err(Error::into_graphql)
    }
}

/// Two views of the same instance in two layers.
#[derive(SimpleObject, Debug, Clone)]
pub struct HierarchyInstanceRelation {
    pub lower_instance: HierarchyRelatedInstance,
    pub upper_instance: HierarchyRelatedInstance,
}

/// One side of an instance relation.
#[derive(SimpleObject, Debug, Clone)]
pub struct HierarchyRelatedInstance {
    pub id: ID,
    pub layer: String,
    pub name: String,
    pub normal: bool,
    pub service_id: ID,
    pub service_name: String,
}

/// One side of a service relation.
#[derive(SimpleObject, Debug, Clone)]
pub struct HierarchyRelatedService {
    pub id: ID,
    pub layer: String,
    pub name: String,
    pub normal: bool,
}

/// Two views of the same service in two layers.
#[derive(SimpleObject, Debug, Clone)]
pub struct HierarchyServiceRelation {
    pub lower_service: HierarchyRelatedService,
    pub upper_service: HierarchyRelatedService,
}

/// How an instance is seen in other layers.
#[derive(SimpleObject, Debug, Clone)]
pub struct InstanceHierarchy {
    pub relations: Vec<HierarchyInstanceRelation>,
}

/// A layer and its level; greater is further up.
#[derive(SimpleObject, Debug, Clone)]
pub struct LayerLevel {
    pub layer: String,
    pub level: i32,
}

/// How a service is seen in other layers.
#[derive(SimpleObject, Debug, Clone)]
pub struct ServiceHierarchy {
    pub relations: Vec<HierarchyServiceRelation>,
}
