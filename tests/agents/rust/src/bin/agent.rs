//! Reports one trace with SkyWalking's agent for Rust, and ends when it is reported.
//!
//! Arguments: the collector's URL, the service's name. Variables: `APP_TOKEN` is the agent token; `APP_CA`, a PEM file, is whom
//! to trust with TLS; `APP_CERTIFICATE` and `APP_KEY`, PEM files, are shown where the server wants to know who reports.

use std::error::Error;
use std::fs;
use std::time::Duration;

use skywalking::management::instance::Properties;
use skywalking::management::manager::Manager;
use skywalking::reporter::grpc::GrpcReporter;
use skywalking::trace::span::HandleSpanObject;
use skywalking::trace::tracer::Tracer;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// Component ids as SkyWalking's agents give them: Tokio's HTTP server and an HTTP client.
const COMPONENT: i32 = 11_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (url, service) = arguments.next().zip(arguments.next()).ok_or("a URL and a service are wanted")?;
    let mut reporter = GrpcReporter::new(connect(url).await?);
    if let Ok(token) = std::env::var("APP_TOKEN") {
        reporter = reporter.with_authentication(token);
    }
    // The agent counts a refused report as an error of its own and goes on; this application ends with it.
    let reporter = reporter.with_err_handle(|message, error| eprintln!("Error: {message}: {error}"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let reporting = reporter.reporting().await.with_graceful_shutdown(async move { drop(stopped.await) });
    let reporting = reporting.with_status_handle(|_, status| eprintln!("Error: {status}")).spawn();

    let manager = Manager::new(service.clone(), format!("{service}-1"), reporter.clone());
    let mut properties = Properties::default();
    properties.insert_os_info();
    manager.report_properties(properties);
    manager.keep_alive();

    let tracer = Tracer::new(service.clone(), format!("{service}-1"), reporter);
    {
        let mut context = tracer.create_trace_context();
        let mut entry = context.create_entry_span("GET:/rust");
        entry.span_object_mut().component_id = COMPONENT;
        let exit = context.create_exit_span("GET:/elsewhere", "elsewhere:80");
        drop(exit);
        drop(entry);
    }
    stop.send(()).map_err(|()| "the reporting ended by itself")?;
    tokio::time::timeout(Duration::from_secs(60), reporting).await??;
    println!("reported");
    Ok(())
}

async fn connect(url: String) -> Result<Channel, Box<dyn Error>> {
    let mut endpoint = Endpoint::from_shared(url)?;
    if let Ok(authority) = std::env::var("APP_CA") {
        let mut tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(authority)?)).domain_name("localhost");
        if let (Ok(certificate), Ok(key)) = (std::env::var("APP_CERTIFICATE"), std::env::var("APP_KEY")) {
            tls = tls.identity(Identity::from_pem(fs::read(certificate)?, fs::read(key)?));
        }
        endpoint = endpoint.tls_config(tls)?;
    }
    Ok(endpoint.connect().await?)
}
