//! What SkyWalking's schema does not have: alarms managed while the server runs.

use async_graphql::MergedObject;

use super::{
    alarm_config::{AlarmConfigMutation, AlarmConfigQuery},
    alarm_deliveries::{AlarmDeliveriesMutation, AlarmDeliveriesQuery},
    alarm_incidents::{AlarmIncidentsMutation, AlarmIncidentsQuery},
    alarm_receivers::{AlarmReceiversMutation, AlarmReceiversQuery},
    alarm_routes::{AlarmRoutesMutation, AlarmRoutesQuery},
    alarm_rules::{AlarmRulesMutation, AlarmRulesQuery},
    alarm_silences::{AlarmSilencesMutation, AlarmSilencesQuery},
    alarm_trials::{AlarmTrialsMutation, AlarmTrialsQuery},
};

/// Queries: the management of alarms.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct AlarmManagementQuery(
    AlarmRulesQuery,
    AlarmRoutesQuery,
    AlarmReceiversQuery,
    AlarmSilencesQuery,
    AlarmIncidentsQuery,
    AlarmDeliveriesQuery,
    AlarmTrialsQuery,
    AlarmConfigQuery,
);

/// Mutations: the management of alarms.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct AlarmManagementMutation(
    AlarmRulesMutation,
    AlarmRoutesMutation,
    AlarmReceiversMutation,
    AlarmSilencesMutation,
    AlarmIncidentsMutation,
    AlarmDeliveriesMutation,
    AlarmTrialsMutation,
    AlarmConfigMutation,
);
