//! What operators, UIs and tools ask for, for those who may ask: queries, the status page, endpoints about the server.

use std::sync::Arc;

use alarm::start::Alarm;
use anyhow::Context as _;
use axum::Router;
use model::metric::Catalogue;
use query::Components;
use receiver::Ingest;
use storage::nodes::Nodes;
use tower_http::compression::CompressionLayer;

use crate::alarm_telemetry::Told;
use crate::app::{Shared, version};
use crate::live::{self, Address, Live, Ports};
use crate::{admin, auth};

/// What is known when all else runs.
pub(crate) struct Known<'a> {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) components: Components,
    pub(crate) addresses: Vec<Address>,
    pub(crate) ports: Ports,
    pub(crate) nodes: Nodes,
    pub(crate) ingest: Ingest,
    pub(crate) alarm: &'a Alarm,
}

/// The two listeners that operators reach.
pub(crate) struct Routes {
    /// Agents' reports beside all that operators ask for.
    pub(crate) http: Router,
    /// What SkyWalking's tools look for on a port of its own.
    pub(crate) admin: Router,
}

/// Everything on the HTTP port and on the admin port. Whoever asks must be allowed to, but agents and who asks for the server's health.
pub(crate) fn routes(shared: &Shared, known: Known<'_>) -> anyhow::Result<Routes> {
    let desk = &known.alarm.desk;
    let sources = query::Sources {
        alarm: Arc::clone(desk),
        store: Arc::clone(&shared.store),
        catalogue: known.catalogue,
        components: Arc::new(known.components),
        layers: shared.layering.layers.clone(),
        hierarchy: Arc::clone(&shared.layering.hierarchy),
        zone: shared.zone.clone(),
        clock: shared.clock.clone(),
        version: version(),
        retention: shared.config.storage.retention(),
    };
    let schema = query::build(&shared.config.query, sources).context("query.templates_dir")?;
    let live = Live::new(
        shared.clock.clone(),
        live::Parts {
            zone: shared.zone.to_string(),
            addresses: known.addresses,
            ports: known.ports,
            ingest: known.ingest.clone(),
            ledger: Arc::clone(&shared.ledger),
            store: Arc::clone(&shared.store),
            naming: Arc::clone(&shared.naming),
            alarm: Told::new(known.alarm),
        },
    );
    let config = Arc::new(shared.config.clone());
    let admin = admin::Admin { config, store: Arc::clone(&shared.store), nodes: known.nodes };
    let open = admin::health_routes(admin.clone());
    let about = admin::routes(admin).merge(query::alarm_status(Arc::clone(desk)));
    let asked = query::routes(schema, &shared.config.query)
        .merge(query::alarm_routes(Arc::clone(desk)))
        .merge(live::routes(live))
        .merge(about.clone());
    let http = receiver::http(known.ingest, &shared.config.receiver)
        .merge(auth::protect(asked, &shared.auth))
        .merge(open.clone())
        .layer(CompressionLayer::new());
    let admin = auth::protect(about, &shared.auth).merge(open).layer(CompressionLayer::new());
    Ok(Routes { http, admin })
}
