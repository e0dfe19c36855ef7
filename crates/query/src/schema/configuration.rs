//! Dashboard templates and the menu.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{InputObject, Object, SimpleObject};

use super::common::NOT_YET;

/// Queries: dashboard templates and the menu.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConfigurationQuery;

#[Object]
impl ConfigurationQuery {
    /// All templates that are not disabled.
    async fn get_all_templates(&self) -> Vec<DashboardConfiguration> {
        Vec::new()
    }

    /// A template by id; null when unknown or disabled.
    async fn get_template(&self, id: String) -> Option<DashboardConfiguration> {
        None
    }

    /// The sidebar; a leaf is active while its layer has services.
    async fn get_menu_items(&self) -> Vec<MenuItem> {
        Vec::new()
    }
}

/// Mutations: dashboard templates and the menu.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConfigurationMutation;

#[Object]
impl ConfigurationMutation {
    /// Add a template.
    async fn add_template(&self, setting: NewDashboardSetting) -> TemplateChangeStatus {
        TemplateChangeStatus { id: String::new(), status: false, message: Some(NOT_YET.to_owned()) }
    }

    /// Replace a template's content.
    async fn change_template(&self, setting: DashboardSetting) -> TemplateChangeStatus {
        TemplateChangeStatus { id: String::new(), status: false, message: Some(NOT_YET.to_owned()) }
    }

    /// Disable a template.
    async fn disable_template(&self, id: String) -> TemplateChangeStatus {
        TemplateChangeStatus { id: String::new(), status: false, message: Some(NOT_YET.to_owned()) }
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
