//! Language models (analysis 2.8.4).

use std::sync::Arc;

use expect_test::expect;
use model::segment::{Span, SpanKind::*, SpanLayer::*};

use crate::prices::{PriceFile, Prices};
use crate::testing::{Bench, segment, span, tags};

/// A bench with the shipped prices.
fn bench() -> Bench {
    let file: PriceFile =
        serde_saphyr::from_str(include_str!("../../../../../config/gen-ai-config.yml")).expect("the shipped file");
    let mut bench = Bench::new();
    let settings = bench.context.settings.as_ref().clone();
    bench.context.settings = Arc::new(settings.with_prices(Prices::new(file).expect("the shipped prices")));
    bench
}

fn call(own: &[(&str, &str)]) -> Span {
    let peer = "api.openai.com:443".into();
    Span { peer, tags: tags(own), ..span(1, Exit, GenAi, 0, "chat", (0, 1_234)) }
}

fn show(bench: Bench, spans: Vec<Span>) -> String {
    bench.segment(segment("S", "A", "a1", spans)).show_only(&[" Service ", " ServiceInstance ", "pieces"])
}

#[test]
fn a_provider_is_a_service_and_a_model_its_instance() {
    let streamed = call(&[
        ("gen_ai.response.model", "gpt-4o-2024-08-06"),
        ("gen_ai.usage.input_tokens", "1000"),
        ("gen_ai.usage.output_tokens", "100"),
        ("gen_ai.server.time_to_first_token", "250"),
    ]);
    let failed =
        Span { is_error: true, skip_analysis: true, ..call(&[("gen_ai.response.model", "gpt-4o-2024-08-06")]) };
    expect![[r#"
        202401151200 Service b3BlbmFp.0: gen_ai_provider_avg_estimated_cost=1750 gen_ai_provider_cpm=2 gen_ai_provider_input_tokens_avg=500 gen_ai_provider_input_tokens_sum=1000 gen_ai_provider_latency_percentile=all:1230 gen_ai_provider_output_tokens_avg=50 gen_ai_provider_output_tokens_sum=100 gen_ai_provider_resp_time=1234 gen_ai_provider_sla=5000 gen_ai_provider_total_estimated_cost=3500
        202401151200 ServiceInstance b3BlbmFp.0_Z3B0LTRvLTIwMjQtMDgtMDY=: gen_ai_model_avg_estimated_cost=1750 gen_ai_model_call_cpm=2 gen_ai_model_input_tokens_avg=500 gen_ai_model_input_tokens_sum=1000 gen_ai_model_latency_avg=1234 gen_ai_model_latency_percentile=all:1230 gen_ai_model_output_tokens_avg=50 gen_ai_model_output_tokens_sum=100 gen_ai_model_sla=5000 gen_ai_model_total_estimated_cost=3500 gen_ai_model_ttft_avg=250 gen_ai_model_ttft_percentile=all:250 service_instance_cpm=2 service_instance_resp_time=0 service_instance_sla=0
        life Service b3BlbmFp.0: first_seen=202401151200 last_ping=202401151200 layers=VIRTUAL_GENAI
        life ServiceInstance b3BlbmFp.0_Z3B0LTRvLTIwMjQtMDgtMDY=: first_seen=202401151200 last_ping=202401151200
    "#]]
    .assert_eq(&show(bench(), vec![streamed, failed]));
}

#[test]
fn the_provider_is_the_one_that_is_named_and_else_the_one_of_the_name() {
    let service = |bench, tags: &[(&str, &str)]| {
        let text = show(bench, vec![call(tags)]);
        text.lines().find(|line| line.starts_with("life Service ")).map(|line| {
            let id = line.split([' ', ':']).nth(2).expect("an id stands there");
            model::id::parse_service(id).expect("our own id").0
        })
    };
    let claude = ("gen_ai.response.model", "claude-sonnet-4-5-20250929");
    assert_eq!(service(bench(), &[claude]).as_deref(), Some("anthropic"));
    assert_eq!(service(bench(), &[claude, ("gen_ai.provider.name", "bedrock")]).as_deref(), Some("bedrock"));
    assert_eq!(service(bench(), &[claude, ("gen_ai.provider.name", " ")]).as_deref(), Some("anthropic"));
    assert_eq!(service(bench(), &[("gen_ai.response.model", "mine")]).as_deref(), Some("unknown"));
    assert_eq!(service(Bench::new(), &[claude]).as_deref(), Some("unknown"), "no prices are known");
    assert_eq!(service(bench(), &[("gen_ai.response.model", "")]), None);
    assert_eq!(service(bench(), &[]), None);
}

#[test]
fn numbers_that_cannot_be_read_count_as_none() {
    let text = show(
        bench(),
        vec![call(&[
            ("gen_ai.response.model", "deepseek-chat"),
            ("gen_ai.usage.input_tokens", "many"),
            ("gen_ai.usage.output_tokens", ""),
            ("gen_ai.server.time_to_first_token", "3000000000"),
        ])],
    );
    assert!(text.contains("gen_ai_provider_input_tokens_sum=0") && !text.contains("ttft"), "{text}");
    assert!(text.contains("pieces refused bad_piece: 2"), "{text}");
}

#[test]
fn a_price_list_in_the_other_servers_hand_is_read() {
    let text = "
last-updated: 2026-01-31
providers:
  - provider: house
    prefix-match:
      - house
    models:
      - name: house-small
        aliases:
          - small-house
        input-estimated-cost-per-m: 2
        output-estimated-cost-per-m: 0.5
  - provider: neighbour
    prefix-match:
      - next
";
    let prices = Prices::new(serde_saphyr::from_str(text).unwrap()).unwrap();
    assert_eq!((prices.cost("small-house-1", 10, 10), prices.provider("next-1")), (25, "neighbour"));
    assert!(serde_saphyr::from_str::<PriceFile>("providers: [{provider: a, prefixmatch: [b]}]").is_err());
}
