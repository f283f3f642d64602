//! Whether the controller's account has the rights that it needs: the API server is asked, as it would be later.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

use super::{Check, Finding, Report};

/// Questions at most.
const MOST: usize = 500;

/// Adds a finding for each right of the report that the account does not have.
pub async fn allowed(client: &Client, report: &mut Report) {
    let Some(rights) = &report.rights else { return };
    let (namespace, account) = rights.account.clone();
    let user = format!("system:serviceaccount:{namespace}:{account}");
    let questions: Vec<ResourceAttributes> = rights
        .rules()
        .into_iter()
        .flat_map(|(place, rule)| {
            let names = if rule.resource_names.is_empty() {
                vec![String::new()]
            } else {
                rule.resource_names
            };
            let mut questions = Vec::new();
            for group in &rule.api_groups {
                for resource in &rule.resources {
                    for verb in &rule.verbs {
                        questions.extend(names.iter().map(|name| ResourceAttributes {
                            group: Some(group.clone()),
                            resource: Some(resource.clone()),
                            verb: Some(verb.clone()),
                            namespace: Some(place.clone()),
                            name: Some(name.clone()),
                            ..ResourceAttributes::default()
                        }));
                    }
                }
            }
            questions
        })
        .collect();
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    for question in questions.into_iter().take(MOST) {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.clone()),
                groups: Some(vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated".to_owned(),
                ]),
                resource_attributes: Some(question.clone()),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        match api.create(&PostParams::default(), &review).await {
            Ok(answer) if answer.status.as_ref().is_some_and(|status| status.allowed) => {}
            Ok(_) => report.findings.push(Finding {
                problem: format!("the account {namespace}/{account} may not {}", words(&question)),
                ..Finding::of(
                    Check::MissingGrant,
                    "controller",
                    "put the values that follow into the chart, or apply the manifests that follow",
                )
            }),
            Err(error) => {
                report.findings.push(Finding {
                    problem: format!(
                        "whether the account {namespace}/{account} has its rights cannot be asked: {error}"
                    ),
                    ..Finding::of(
                        Check::NotRead,
                        "cluster",
                        "run it as somebody who may create SubjectAccessReviews",
                    )
                });
                break;
            }
        }
    }
    report.settle();
}

/// `get secrets "x" in shop`.
fn words(question: &ResourceAttributes) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let resource = match text(&question.group) {
        group if group.is_empty() => text(&question.resource),
        group => format!("{}.{group}", text(&question.resource)),
    };
    let name = match text(&question.name) {
        name if name.is_empty() => String::new(),
        name => format!(" {name:?}"),
    };
    let place = match text(&question.namespace) {
        place if place.is_empty() => "all namespaces".to_owned(),
        place => place,
    };
    format!("{} {resource}{name} in {place}", text(&question.verb))
}
