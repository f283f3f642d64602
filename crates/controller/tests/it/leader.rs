//! The Lease, when a process that leads is told to end.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use rollcage_apiserver::ApiServer;
use rollcage_controller::{
    client::Fence,
    leader::{Election, Elector},
};

#[tokio::test]
async fn what_was_given_up_is_not_taken_again() {
    let server = ApiServer::new(Arc::new(Timestamp::now));
    server.ensure_namespace("ns");
    let client = Client::new(server.service(), "ns");
    let election = Election {
        namespace: "ns".into(),
        lease: "lease".into(),
        identity: "us".into(),
        duration: Duration::from_secs(10),
        renew_deadline: Duration::from_secs(8),
        retry: Duration::from_millis(20),
    };
    let fence = Fence::closed();
    let elector = Elector::new(client.clone(), election, fence.clone());
    let mut leading = elector.leading();
    let running = elector.clone();
    let running = tokio::spawn(async move { match running.run().await {} });
    leading.wait_for(|leading| *leading).await.unwrap();
    assert_eq!(fence.check(), Ok(()));

    elector.release().await;
    // Many times as long as it takes to look at the Lease, and to take it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!*leading.borrow());
    assert!(fence.check().is_err());
    let lease: Lease = Api::namespaced(client, "ns").get("lease").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity.as_deref(), Some(""));
    assert!(!running.is_finished());
    running.abort();
}
