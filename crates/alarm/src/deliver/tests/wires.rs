//! Mail and the gRPC hook.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A mail server that takes everything, and refuses the first recipient so often.
async fn smtp(listener: TcpListener, refusals: usize, mails: Arc<Mutex<Vec<String>>>) {
    let mut left = refusals;
    while let Ok((stream, _)) = listener.accept().await {
        serve_smtp(stream, &mut left, &mails).await;
    }
}

async fn serve_smtp(mut stream: TcpStream, refusals: &mut usize, mails: &Mutex<Vec<String>>) {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 test\r\n").await.unwrap();
    let mut data: Option<String> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(mail) = &mut data {
            if line == "." {
                mails.lock().unwrap().push(data.take().unwrap());
                writer.write_all(b"250 ok\r\n").await.unwrap();
            } else {
                mail.push_str(&line);
                mail.push('\n');
            }
            continue;
        }
        let answer: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => b"250-test\r\n250 8BITMIME\r\n",
            "RCPT" if line.contains("nobody") && refusals_left(refusals) => b"550 no such user\r\n",
            "RCPT" if refusals_left(refusals) => b"451 later\r\n",
            "DATA" => {
                data = Some(String::new());
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        writer.write_all(answer).await.unwrap();
    }
}

/// Whether another one is to be refused.
fn refusals_left(refusals: &mut usize) -> bool {
    let left = *refusals > 0;
    *refusals = refusals.saturating_sub(1);
    left
}

/// A notification is refused for good, and taken once somebody sends it again.
async fn dies_and_is_redriven(rig: &Rig, id: &str, receiver: &str, error: &str) {
    rig.tell(id, receiver, id, false).await;
    let dead = rig.until(id, |n| n.status == Status::Dead).await;
    assert!(dead.n_attempts == 1 && dead.attempts[0].error.contains(error), "{dead:?}");
    let stored = rig.stored(id).await;
    let again = redriven(&stored.doc, UnixMillis(rig.now.load(Ordering::SeqCst))).unwrap();
    rig.editor.swap_many(vec![(doc::write(&again), stored.revision)]).await.unwrap();
    rig.until(id, |n| n.status == Status::Sent).await;
}

#[tokio::test]
async fn mail_that_is_refused_for_good_is_dead_until_somebody_sends_it_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mails = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(smtp(listener, 1, Arc::clone(&mails)));
    let rig = Rig::start().await;
    let settings = json!({"host": "127.0.0.1", "port": port, "tls": "none", "from": "alarm@example.com", "to": ["nobody@example.com"]});
    rig.receiver("email.a", ReceiverKind::Email, settings).await;
    dies_and_is_redriven(&rig, "n1", "email.a", "no such user").await;
    rig.tell("n2", "email.a", "n1", true).await;
    rig.until("n2", |n| n.status == Status::Sent).await;
    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 2);
    assert!(
        mails[0].contains("Message-ID: <n1@skylark>") && mails[1].contains("Message-ID: <n2@skylark>"),
        "{mails:?}"
    );
    rig.stop().await;
}

#[tokio::test]
async fn mail_is_sent_again_with_the_same_message_id() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mails = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(smtp(listener, 1, Arc::clone(&mails)));
    let rig = Rig::start().await;
    let settings = json!({"host": "127.0.0.1", "port": port, "tls": "none", "from": "alarm@example.com", "to": ["ops@example.com"]});
    rig.receiver("email.a", ReceiverKind::Email, settings).await;
    rig.tell("n1", "email.a", "i1", false).await;
    let failed = rig.until("n1", failed_once).await;
    assert!(failed.attempts[0].error.contains("later"), "{}", failed.attempts[0].error);
    rig.pass(1_000);
    rig.until("n1", |n| n.status == Status::Sent).await;
    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 1);
    for wanted in ["Message-ID: <n1@skylark>", "To: ops@example.com", "multipart/alternative", "Response time of"] {
        assert!(mails[0].contains(wanted), "{wanted}: {}", mails[0]);
    }
    rig.stop().await;
}

mod hook {
    use proto::alarm::{AlarmMessage, AlarmRecoveryMessage, Response};
    use tokio_stream::StreamExt as _;
    use tonic::{Request, Status, Streaming};
    use tonic_prost::ProstCodec;

    use super::*;

    type Messages = Arc<Mutex<Vec<String>>>;

    /// Refuses the first call, as it is told, then records.
    #[derive(Clone, Default)]
    pub(super) struct Hook {
        pub(super) messages: Messages,
        pub(super) refusal: Arc<Mutex<Option<Status>>>,
    }

    struct Record(Hook);

    impl<T: std::fmt::Debug + Send + 'static> tonic::server::ClientStreamingService<T> for Record {
        type Response = Response;
        type Future = std::pin::Pin<Box<dyn Future<Output = Result<tonic::Response<Response>, Status>> + Send>>;

        fn call(&mut self, request: Request<Streaming<T>>) -> Self::Future {
            let hook = self.0.clone();
            Box::pin(async move {
                if let Some(refusal) = hook.refusal.lock().unwrap().take() {
                    return Err(refusal);
                }
                let key = request.metadata().get("idempotency-key").unwrap().to_str().unwrap().to_owned();
                let mut stream = request.into_inner();
                while let Some(message) = stream.next().await {
                    hook.messages.lock().unwrap().push(format!("{key} {:?}", message?));
                }
                Ok(tonic::Response::new(Response {}))
            })
        }
    }

    async fn alarm(
        axum::extract::State(hook): axum::extract::State<Hook>,
        request: axum::extract::Request,
    ) -> axum::http::Response<tonic::body::Body> {
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<Response, AlarmMessage>::default());
        grpc.client_streaming(Record(hook), request).await
    }

    async fn recovery(
        axum::extract::State(hook): axum::extract::State<Hook>,
        request: axum::extract::Request,
    ) -> axum::http::Response<tonic::body::Body> {
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<Response, AlarmRecoveryMessage>::default());
        grpc.client_streaming(Record(hook), request).await
    }

    pub(super) async fn start(refusal: Status) -> (Hook, u16) {
        let hook = Hook { refusal: Arc::new(Mutex::new(Some(refusal))), ..Hook::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = axum::Router::new()
            .route(
                "/AlarmService/doAlarm",
                axum::routing::post(|state, request| async { into(alarm(state, request).await) }),
            )
            .route(
                "/AlarmService/doAlarmRecovery",
                axum::routing::post(|state, request| async { into(recovery(state, request).await) }),
            )
            .with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (hook, port)
    }

    fn into(response: axum::http::Response<tonic::body::Body>) -> axum::response::Response {
        response.map(axum::body::Body::new)
    }
}

#[tokio::test]
async fn the_grpc_hook_is_called_again_and_told_of_recoveries() {
    let (hook, port) = hook::start(tonic::Status::unavailable("not yet")).await;
    let rig = Rig::start().await;
    rig.receiver("gRPC.a", ReceiverKind::Grpc, json!({"target-host": "127.0.0.1", "target-port": port})).await;
    rig.tell("n1", "gRPC.a", "i1", false).await;
    let failed = rig.until("n1", failed_once).await;
    assert_eq!(failed.attempts[0].error, "Unavailable not yet");
    rig.pass(1_000);
    rig.until("n1", |n| n.status == Status::Sent).await;
    rig.tell("n2", "gRPC.a", "i2", true).await;
    rig.until("n2", |n| n.status == Status::Sent).await;
    let messages = hook.messages.lock().unwrap().clone();
    assert_eq!(messages.len(), 2);
    assert!(messages[0].starts_with("n1 AlarmMessage { scope_id: 1") && messages[0].contains("service_resp_time_rule"));
    assert!(messages[1].starts_with("n2 AlarmRecoveryMessage") && messages[1].contains("recovery_time: 1795515000000"));
    rig.stop().await;
}

#[tokio::test]
async fn a_call_that_the_grpc_hook_refuses_for_good_is_dead_until_somebody_sends_it_again() {
    let (hook, port) = hook::start(tonic::Status::permission_denied("who are you")).await;
    let rig = Rig::start().await;
    rig.receiver("gRPC.a", ReceiverKind::Grpc, json!({"target-host": "127.0.0.1", "target-port": port})).await;
    dies_and_is_redriven(&rig, "n1", "gRPC.a", "who are you").await;
    assert!(hook.messages.lock().unwrap()[0].starts_with("n1 AlarmMessage"));
    rig.stop().await;
}
