//! The interface of servers 9 and 10: variables for everything, generated aliases, one request for many expressions.

mod records;
mod topology;

pub(crate) use records::{logs, traces};
pub(crate) use topology::topology;

use model::id;
use serde_json::{Map, Value, json};

use crate::shop::{self, N_VISITS};
use crate::{Seen, Ui, each, same, value};

/// What is asked about the value of an expression.
const VALUES: &str = "{
    type
    results {
        metric { labels { key value } }
        values {
            name: id value refId: traceID
            owner { scope serviceID serviceName normal serviceInstanceID serviceInstanceName endpointID endpointName }
        }
    }
    error
}";

/// What is asked before anything is drawn, and the menu.
pub(crate) async fn start(ui: &Ui<'_>) -> Seen {
    let item = "title icon layer activate description documentLink i18nKey";
    let menu = format!("query menuItems {{ getMenuItems {{ {item} subItems {{ {item} }} }} }}");
    let menu = ui.ask(&menu, json!({})).await;
    let groups = menu["getMenuItems"].as_array().unwrap();
    let general = groups.iter().find(|group| group["title"] == "General Service").ok_or("no general services")?;
    same("general services are open", general["activate"].clone(), json!(true))?;
    let services = general["subItems"].as_array().unwrap().iter().find(|item| item["layer"] == "GENERAL");
    same("the page of services", services.ok_or("no page of services")?["activate"].clone(), json!(true))?;
    let empty = groups.iter().find(|group| group["title"] == "Service Mesh").ok_or("no mesh")?;
    same("a mesh that nobody has", empty["activate"].clone(), json!(false))?;

    let time = ui.ask("query queryOAPTimeInfo { getTimeInfo { timezone currentTimestamp } }", json!({})).await;
    same("the zone", time["getTimeInfo"]["timezone"].clone(), json!("+0000"))?;
    assert!(time["getTimeInfo"]["currentTimestamp"].as_i64() > Some(ui.base.0), "{time}");
    let version = ui.ask("query version { version }", json!({})).await;
    assert!(version["version"].as_str().is_some_and(|version| !version.is_empty()), "{version}");

    let metrics = "query MetricsTTL { getMetricsTTL { minute hour day coldMinute coldHour coldDay } }";
    let records = "query RecordsTTL { getRecordsTTL { normal trace zipkinTrace log browserErrorLog \
                   coldNormal coldTrace coldZipkinTrace coldLog coldBrowserErrorLog } }";
    for (document, field) in [(metrics, "getMetricsTTL"), (records, "getRecordsTTL")] {
        let days = ui.ask(document, json!({})).await;
        let days = days[field].as_object().unwrap();
        // The interface reads -1 as "there is none", and any other number as days.
        let told = |(name, days): (&String, &Value)| {
            if name.starts_with("cold") { *days == -1 } else { days.as_i64() > Some(0) }
        };
        assert!(days.iter().all(told), "{days:?}");
    }
    let whole = ui.ask("query queryHasQueryTracesV2Support { hasQueryTracesV2Support }", json!({})).await;
    assert!(whole["hasQueryTracesV2Support"].is_boolean(), "{whole}");
    let templates = ui.ask("query templates { getAllTemplates { id, configuration, } }", json!({})).await;
    assert!(templates["getAllTemplates"].is_array(), "{templates}");
    Ok(())
}

/// Services, instances and endpoints, each with the metrics of its row, and the summary above them.
pub(crate) async fn lists(ui: &Ui<'_>) -> Seen {
    let services = ui.ask(SERVICES, json!({ "layer": "GENERAL" })).await["services"].take();
    same("services", each(&services, "value"), json!(["orders", "web"]))?;
    same("services' labels", each(&services, "label"), json!(["orders", "web"]))?;
    same("services' layers", each(&services, "layers"), json!([["GENERAL"], ["GENERAL"]]))?;
    let web = id::service("web", true);
    let of_web = json!({ "serviceId": web, "duration": ui.minutes() });
    let instances = ui.ask(INSTANCES, of_web).await["pods"].take();
    same("instances", each(&instances, "value"), json!([shop::instance("web")]))?;
    same("languages", each(&instances, "language"), json!(["PYTHON"]))?;
    same("attributes", each(&instances[0]["attributes"], "value"), json!(["10.0.0.1", "web.shop"]))?;
    let of_web = json!({ "serviceId": web, "keyword": "", "limit": 20, "duration": ui.minutes() });
    let endpoints = ui.ask(ENDPOINTS, of_web).await["pods"].take();
    same("endpoints", each(&endpoints, "value"), json!(["GET:/checkout"]))?;
    links(ui).await?;

    let rows = [
        ("service", json!({ "serviceName": "web", "normal": true })),
        (
            "service_instance",
            json!({ "serviceName": "web", "serviceInstanceName": shop::instance("web"), "normal": true }),
        ),
        ("endpoint", json!({ "serviceName": "web", "endpointName": "GET:/checkout", "normal": true })),
    ];
    for (scope, entity) in rows {
        table(ui, scope, entity).await?;
    }
    summary(ui).await
}

const SERVICES: &str = "query queryServices($layer: String!) {
    services: listServices(layer: $layer) { id value: name label: name group layers normal shortName }
}";
const INSTANCES: &str = "query queryInstances($serviceId: ID!, $duration: Duration!) {
    pods: listInstances(duration: $duration, serviceId: $serviceId) {
        id value: name label: name language instanceUUID attributes { name value }
    }
}";
const ENDPOINTS: &str = "query queryEndpoints($serviceId: ID!, $keyword: String!, $duration: Duration, $limit: Int!) {
    pods: findEndpoint(serviceId: $serviceId, keyword: $keyword, limit: $limit, duration: $duration) {
        id value: name label: name
    }
}";

/// What a link to one service, instance or endpoint asks for.
async fn links(ui: &Ui<'_>) -> Seen {
    let web = id::service("web", true);
    let service = "query queryService($serviceId: String!) {
        service: getService(serviceId: $serviceId) { id value: name label: name group layers normal }
    }";
    let found = ui.ask(service, json!({ "serviceId": web })).await;
    same("a service by id", found["service"]["value"].clone(), json!("web"))?;
    let instance = "query queryInstance($instanceId: String!) {
        instance: getInstance(instanceId: $instanceId) {
            id value: name label: name language instanceUUID attributes { name value }
        }
    }";
    let found = ui.ask(instance, json!({ "instanceId": id::instance(&web, "web-1") })).await;
    same("an instance by id", found["instance"]["label"].clone(), json!("web-1"))?;
    let endpoint = "query queryEndpoint($endpointId: ID!) {
        endpoint: getEndpointInfo(endpointId: $endpointId) { id value: name label: name serviceId serviceName }
    }";
    let found = ui.ask(endpoint, json!({ "endpointId": id::endpoint(&web, "GET:/checkout") })).await;
    same("an endpoint by id", found["endpoint"]["serviceName"].clone(), json!("web"))
}

/// A request of expressions about entities, its aliases and variables as the interface makes them: the number of the entity, then
/// that of the expression. Answers each entity's answers.
async fn expressions(ui: &Ui<'_>, expressions: &[String], entities: &[Value]) -> Vec<Vec<Value>> {
    let mut declared = vec!["$duration: Duration!".to_owned()];
    let mut variables = Map::from_iter([("duration".to_owned(), ui.minutes())]);
    for (n, expression) in expressions.iter().enumerate() {
        declared.push(format!("$expression{n}: String!"));
        variables.insert(format!("expression{n}"), json!(expression));
    }
    let mut fields = Vec::new();
    for (e, entity) in entities.iter().enumerate() {
        declared.push(format!("$entity{e}: Entity!"));
        variables.insert(format!("entity{e}"), entity.clone());
        fields.extend((0..expressions.len()).map(|n| {
            format!("expression{e}{n}: execExpression(expression: $expression{n}, entity: $entity{e}, duration: $duration){VALUES}")
        }));
    }
    let document = format!("query queryData({}) {{{}}}", declared.join(","), fields.join(" "));
    let mut data = ui.ask(&document, Value::Object(variables)).await;
    let mut of = |e: usize| (0..expressions.len()).map(|n| data[format!("expression{e}{n}")].take()).collect();
    (0..entities.len()).map(&mut of).collect()
}

/// A row of a list: one figure, and the chart behind it.
async fn table(ui: &Ui<'_>, scope: &str, entity: Value) -> Seen {
    let asked = ["avg(SCOPE_sla)/100", "SCOPE_resp_time", "sum(SCOPE_cpm)"].map(|asked| asked.replace("SCOPE", scope));
    let answers = expressions(ui, &asked, &[entity]).await.remove(0);
    for (asked, answer) in asked.iter().zip(&answers) {
        same(asked, answer["error"].clone(), Value::Null)?;
    }
    same(&asked[0], answers[0]["type"].clone(), json!("SINGLE_VALUE"))?;
    same(&asked[0], value(&answers[0]).clone(), json!("75"))?;
    same(&asked[2], value(&answers[2]).clone(), json!(N_VISITS.to_string()))?;
    same(&asked[1], answers[1]["type"].clone(), json!("TIME_SERIES_VALUES"))?;
    // Values are drawn by their place: one for each minute, gaps among them.
    let values = answers[1]["results"][0]["values"].as_array().ok_or("no chart")?;
    same("points of a chart", values.len(), json!(31))?;
    let drawn: Vec<&Value> = values.iter().map(|point| &point["value"]).filter(|value| !value.is_null()).collect();
    same(&asked[1], json!(drawn), json!([shop::VISIT_MS.to_string()]))
}

/// The widgets above the list: rankings, asked about no entity in particular.
async fn summary(ui: &Ui<'_>) -> Seen {
    let asked = ["top_n(service_cpm,10,des,attr0='GENERAL')", "top_n(service_apdex,10,asc,attr0='GENERAL')/10000"];
    let widget = |w: usize| {
        format!(
            "expression{w}0: execExpression(expression: $expression{w}0, entity: $entity, duration: $duration){VALUES}"
        )
    };
    let document = format!(
        "query queryData($duration: Duration!,$entity: Entity!,$expression00: String!,$expression10: String!) {{{} {}}}",
        widget(0),
        widget(1)
    );
    let variables =
        json!({ "duration": ui.minutes(), "entity": {}, "expression00": asked[0], "expression10": asked[1] });
    let data = ui.ask(&document, variables).await;
    for (field, asked) in ["expression00", "expression10"].into_iter().zip(asked) {
        let answer = &data[field];
        same(asked, answer["error"].clone(), Value::Null)?;
        same(asked, answer["type"].clone(), json!("SORTED_LIST"))?;
        let ranked = &answer["results"][0]["values"];
        same(asked, each(ranked, "name"), json!(["orders", "web"]))?;
        let owners = each(ranked, "owner");
        same(asked, each(&owners, "scope"), json!(["Service", "Service"]))?;
        same(asked, each(&owners, "serviceID"), json!([id::service("orders", true), id::service("web", true)]))?;
    }
    Ok(())
}
