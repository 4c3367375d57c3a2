//! `flotilla preview`.

use crate::flotilla;

const SHOP: [&str; 3] = ["preview", "-f", "deploy/demo/shop"];

#[test]
fn without_clusters_there_is_nothing_to_preview_for() {
    let ran = flotilla(&SHOP);
    ran.fails(2, "error: there is no Cluster to preview for\nhint: ");
}

#[test]
fn reasons_are_for_people_and_works_for_machines() {
    let with_clusters = |more: &[&str]| flotilla(&[&SHOP[..], &["--clusters", "member1,member2"], more].concat()).done();
    let table = with_clusters(&[]);
    assert!(table.out.contains("Deployment shop/web") && table.out.contains("Overridden"), "{table:#?}");
    assert!(table.err.contains("2 bindings and 4 Works would be written"), "{}", table.err);
    let names = with_clusters(&["-o", "name"]).out;
    assert!(names.contains("ResourceBinding shop/web-deployment\n"), "{names}");
    let json = with_clusters(&["-o", "json"]).json();
    let works = json["works"].as_array().expect("works");
    let web = works.iter().find(|work| work["metadata"]["namespace"] == "karmada-es-member2" && work.to_string().contains("nginx"));
    let image = "/spec/workload/manifests/0/spec/template/spec/containers/0/image";
    assert_eq!(web.and_then(|work| work.pointer(image)).expect("a Work of member2"), "mirror.example.com/nginx:1.27");
    assert!(with_clusters(&["-o", "yaml"]).out.contains("kind: Work"));
}
