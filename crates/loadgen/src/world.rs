//! The imagined system that reports: services with instances and endpoints, and who calls whom.
//!
//! Every name of one kind has the same length, so that a message can be made by writing names over those of another one
//! ([`crate::template`]).

use crate::rng::Rng;

/// How large the imagined system is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) n_services: usize,
    /// For each service.
    pub(crate) n_instances: usize,
    /// For each service.
    pub(crate) n_endpoints: usize,
    /// Segments of a trace.
    pub(crate) n_segments: usize,
}

/// Downstream services of one service.
const FAN_OUT: usize = 3;
/// Services that share a database.
const SERVICES_A_DATABASE: usize = 5;
/// Mean latency of the fastest and slowest endpoint, in milliseconds.
const LATENCY_MS: (usize, usize) = (15, 300);

/// Every name, and the mean latency of each endpoint.
#[derive(Debug)]
pub(crate) struct World {
    size: Size,
    services: Vec<Service>,
    databases: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) instances: Vec<Instance>,
    pub(crate) endpoints: Vec<Endpoint>,
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) name: String,
    /// What its agent begins each id with: 32 hexadecimal digits.
    pub(crate) process: String,
    /// Where it listens, host and port.
    pub(crate) address: String,
}

#[derive(Debug)]
pub(crate) struct Endpoint {
    /// What the entry span is called.
    pub(crate) name: String,
    /// What a caller's exit span is called.
    pub(crate) path: String,
    /// Mean, in milliseconds.
    pub(crate) latency_ms: usize,
}

/// An endpoint of a service, both by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) service: usize,
    pub(crate) endpoint: usize,
}

impl World {
    /// `size` within the limits of [`crate::options`].
    pub(crate) fn new(size: Size, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let services = (0..size.n_services).map(|s| service(s, size, &mut rng)).collect();
        let n_databases = size.n_services.div_ceil(SERVICES_A_DATABASE);
        let databases = (0..n_databases).map(|d| format!("mysql-{d:04}.db:3306")).collect();
        World { size, services, databases }
    }

    pub(crate) fn service(&self, number: usize) -> &Service {
        &self.services[number]
    }

    pub(crate) fn endpoint(&self, place: Place) -> &Endpoint {
        &self.services[place.service].endpoints[place.endpoint]
    }

    /// The database of a service, host and port.
    pub(crate) fn database(&self, service: usize) -> &str {
        &self.databases[service / SERVICES_A_DATABASE]
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Services stand in tiers: users call the first, each calls the next. The tier of service `s` is `s % n_tiers`.
    fn n_tiers(&self) -> usize {
        self.size.n_segments.min(self.size.n_services)
    }

    /// How many services a tier has.
    fn n_in_tier(&self, tier: usize) -> usize {
        (self.size.n_services - tier).div_ceil(self.n_tiers())
    }

    /// An endpoint that users call.
    pub(crate) fn draw_root(&self, rng: &mut Rng) -> Place {
        let service = rng.below(self.n_in_tier(0)) * self.n_tiers();
        Place { service, endpoint: rng.below(self.size.n_endpoints) }
    }

    /// What an endpoint calls: always the same, in the next tier. Every endpoint of that tier is called by one of this tier, so
    /// all endpoints see traffic.
    pub(crate) fn callee(&self, caller: Place) -> Place {
        let tier = (caller.service % self.n_tiers() + 1) % self.n_tiers();
        let position = caller.service / self.n_tiers() + caller.endpoint % FAN_OUT;
        let service = position % self.n_in_tier(tier) * self.n_tiers() + tier;
        Place { service, endpoint: (caller.endpoint + tier) % self.size.n_endpoints }
    }

    /// The first one of each trace and all that it leads to.
    pub(crate) fn chain(&self, root: Place) -> impl Iterator<Item = Place> + '_ {
        std::iter::successors(Some(root), |&place| Some(self.callee(place))).take(self.size.n_segments)
    }
}

fn service(s: usize, size: Size, rng: &mut Rng) -> Service {
    let name = format!("shop-{s:04}");
    let instances = (0..size.n_instances).map(|i| {
        // Three digits each, for a constant length.
        let host = format!("10.{}.{}.{}", 100 + s / 100, 100 + s % 100, 100 + i);
        let process = format!("{:016x}{:016x}", rng.next(), rng.next());
        Instance { name: format!("{process}@{host}"), process, address: format!("{host}:8080") }
    });
    let instances = instances.collect();
    let endpoints = (0..size.n_endpoints).map(|e| {
        let path = format!("/{name}/articles/page-{e:04}");
        let latency_ms = LATENCY_MS.0 + rng.below(LATENCY_MS.1 - LATENCY_MS.0);
        Endpoint { name: format!("GET:{path}"), path, latency_ms }
    });
    let endpoints = endpoints.collect();
    Service { name, instances, endpoints }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn reached(n_services: usize, n_endpoints: usize, n_segments: usize) -> (usize, usize) {
        let world = World::new(Size { n_services, n_instances: 1, n_endpoints, n_segments }, 7);
        let roots = (0..world.n_in_tier(0)).flat_map(|position| {
            let service = position * world.n_tiers();
            (0..n_endpoints).map(move |endpoint| Place { service, endpoint })
        });
        let mut endpoints = BTreeSet::new();
        let mut calls = BTreeSet::new();
        for root in roots {
            let chain: Vec<Place> = world.chain(root).collect();
            assert_eq!(chain.len(), n_segments);
            endpoints.extend(chain.iter().map(|place| (place.service, place.endpoint)));
            calls.extend(chain.windows(2).map(|pair| (pair[0].service, pair[1].service)));
        }
        (endpoints.len(), calls.len())
    }

    #[test]
    fn every_endpoint_has_traffic_and_services_call_a_few_others() {
        // Four calls between tiers, each of ten services three times.
        assert_eq!(reached(50, 40, 5), (2_000, 120));
        assert_eq!(reached(20, 5, 5), (100, 48));
        // Tiers of unequal size; fewer services than a trace has segments; one of everything.
        assert_eq!(reached(7, 4, 3).0, 28);
        assert_eq!(reached(2, 4, 5).0, 8);
        assert_eq!(reached(1, 1, 1), (1, 0));
    }

    #[test]
    fn names_of_a_kind_have_one_length() {
        let world = World::new(Size { n_services: 1_000, n_instances: 12, n_endpoints: 11, n_segments: 5 }, 7);
        let lengths = |names: &mut dyn Iterator<Item = &str>| names.map(str::len).collect::<BTreeSet<_>>().len();
        let services = || world.services.iter();
        let instances = || services().flat_map(|service| &service.instances);
        let endpoints = || services().flat_map(|service| &service.endpoints);
        assert_eq!(lengths(&mut services().map(|service| service.name.as_str())), 1);
        assert_eq!(lengths(&mut instances().map(|instance| instance.name.as_str())), 1);
        assert_eq!(lengths(&mut instances().map(|instance| instance.address.as_str())), 1);
        assert_eq!(lengths(&mut endpoints().map(|endpoint| endpoint.name.as_str())), 1);
        assert_eq!(lengths(&mut world.databases.iter().map(String::as_str)), 1);
        let addresses: BTreeSet<_> = instances().map(|instance| &instance.address).collect();
        assert_eq!(addresses.len(), 12_000, "an address stands for one instance");
    }
}
