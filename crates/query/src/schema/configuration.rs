//! Dashboard templates and the menu.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use crate::{
    Error, actor,
    app::{app, snapshot},
    menu, templates,
};

/// Queries: dashboard templates and the menu.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConfigurationQuery;

#[Object]
impl ConfigurationQuery {
    /// All templates that are not disabled.
    async fn get_all_templates(&self, ctx: &Context<'_>) -> Result<Vec<DashboardConfiguration>> {
        templates::all(app(ctx)).await.map_err(Error::into_graphql)
    }

    /// A template by id; null when unknown or disabled.
    async fn get_template(&self, ctx: &Context<'_>, id: String) -> Result<Option<DashboardConfiguration>> {
        templates::one(app(ctx), &id).await.map_err(Error::into_graphql)
    }

    /// The sidebar; a leaf is active while its layer has services.
    async fn get_menu_items(&self, ctx: &Context<'_>) -> Result<Vec<MenuItem>> {
        let services = snapshot(ctx).services(app(ctx)).await.map_err(Error::into_graphql)?;
        Ok(menu::items(&services.values().flat_map(|service| &service.layers).map(|layer| layer.name).collect()))
    }
}

/// Mutations: dashboard templates and the menu.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConfigurationMutation;

#[Object]
impl ConfigurationMutation {
    /// Add a template.
    async fn add_template(&self, ctx: &Context<'_>, setting: NewDashboardSetting) -> Result<TemplateChangeStatus> {
        templates::add(app(ctx), &actor::of(ctx), setting.configuration).await.map_err(Error::into_graphql)
    }

    /// Replace a template's content.
    async fn change_template(&self, ctx: &Context<'_>, setting: DashboardSetting) -> Result<TemplateChangeStatus> {
        templates::change(app(ctx), &actor::of(ctx), &setting.id, setting.configuration)
            .await
            .map_err(Error::into_graphql)
    }

    /// Disable a template.
    async fn disable_template(&self, ctx: &Context<'_>, id: String) -> Result<TemplateChangeStatus> {
        templates::disable(app(ctx), &actor::of(ctx), &id).await.map_err(Error::into_graphql)
    }
}

/// A dashboard template; `configuration` is JSON as text.
#[derive(SimpleObject, Debug, Clone)]
pub struct DashboardConfiguration {
    pub configuration: String,
    pub id: String,
}

/// One entry of the sidebar; shown when `activate`.
#[derive(SimpleObject, Debug, Clone)]
pub struct MenuItem {
    pub activate: bool,
    pub description: Option<String>,
    pub document_link: Option<String>,
    #[graphql(name = "i18nKey")]
    pub i18n_key: Option<String>,
    pub icon: Option<String>,
    pub layer: String,
    pub sub_items: Vec<MenuItem>,
    pub title: String,
}

/// Answer to a change of a template; `message` says why not.
#[derive(SimpleObject, Debug, Clone)]
pub struct TemplateChangeStatus {
    pub id: String,
    pub message: Option<String>,
    pub status: bool,
}

/// New content of an existing dashboard template.
#[derive(InputObject, Debug, Clone)]
pub struct DashboardSetting {
    pub configuration: String,
    pub id: String,
}

/// Content of a new dashboard template.
#[derive(InputObject, Debug, Clone)]
pub struct NewDashboardSetting {
    pub configuration: String,
}
