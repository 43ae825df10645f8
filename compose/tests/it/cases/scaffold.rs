//! Whatever operation a contract has, the view that is made for it passes the checker, or it is said why there is none.

use std::path::Path;
use std::sync::Arc;

use compose::check::{Rules, check};
use compose::definition;
use compose::problem::File;
use compose::scaffold::scaffold;
use compose::schema::Contracts;

use super::contracts::{contracts, pool};
use super::{Case, cases};

/// Every operation as `source/name`.
fn operations(contracts: &Contracts) -> Vec<String> {
    let of = |(name, source): (&String, &compose::schema::Source)| {
        source.operations.keys().chain(source.streams.keys()).map(|o| format!("{name}/{o}")).collect::<Vec<_>>()
    };
    contracts.sources.iter().flat_map(of).collect()
}

/// The problems of the view that is made.
fn problems(contracts: &Contracts, view: &str) -> String {
    let file = Arc::new(File { name: "view.yaml".into(), text: view.to_owned() });
    let (definitions, mut problems) = definition::read(&[file]);
    let (plans, more) = check(&definitions, contracts, Rules::default());
    problems.extend(more);
    assert!(!problems.is_empty() || plans.len() == 1, "one view is made:\n{view}");
    problems.iter().map(ToString::to_string).collect()
}

fn file(path: &Path) -> Arc<File> {
    Arc::new(File { name: path.display().to_string(), text: std::fs::read_to_string(path).unwrap() })
}

/// What the services of the example promise.
fn example() -> Contracts {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut contracts = Contracts::default();
    for (source, path) in [("orders", "orders/v1/orders.proto"), ("loyalty", "loyalty/v1/loyalty.proto")] {
        contracts.add_proto(source, &pool(&format!("syntax = \"proto3\";\nimport public \"{path}\";")));
    }
    for source in ["catalog", "profiles"] {
        let path = root.join(format!("config/contracts/{source}.yaml"));
        assert!(contracts.add_openapi(source, &file(&path), &|_| None).is_empty());
    }
    contracts
}

#[test]
fn every_operation_of_the_example_makes_a_view() {
    let contracts = example();
    let operations = operations(&contracts);
    assert!(operations.len() > 16, "{operations:?}");
    let mut wrong = Vec::new();
    for operation in &operations {
        let view = match scaffold(&contracts, "made", std::slice::from_ref(operation)) {
            Ok(view) => view,
            Err(why) => panic!("{operation}: {why}"),
        };
        let problems = problems(&contracts, &view);
        if !problems.is_empty() {
            wrong.push(format!("{operation}\n{view}\n{problems}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn parameters_have_the_bounds_of_the_contract() {
    let contracts = example();
    let made = |operation: &str| scaffold(&contracts, "made", &[operation.to_owned()]).unwrap();
    let list = made("catalog/listProducts");
    assert!(list.contains("limit: { in: query, type: int32, default: 50, min: 1, max: 50 }"), "{list}");
    assert!(list.contains("ids: { in: query, type: list<string>, max: 50, optional: true }"), "{list}");
    let required = made("profiles/listProfiles");
    assert!(required.contains("ids: { in: query, type: list<string>, max: 50 }"), "{required}");
}

#[test]
fn several_operations_make_one_view() {
    let contracts = example();
    let operations = [
        "orders/orders.v1.OrderService.ListOrders",
        "catalog/listProducts",
        "loyalty/loyalty.v1.LoyaltyService.GetBalance",
    ];
    let view = scaffold(&contracts, "shop", &operations.map(str::to_owned)).unwrap();
    assert_eq!(problems(&contracts, &view), "", "{view}");
}

#[test]
fn what_cannot_be_made_is_said() {
    let contracts = example();
    let made = |view: &str, operations: &[&str]| {
        let operations: Vec<String> = operations.iter().map(|o| (*o).to_owned()).collect();
        scaffold(&contracts, view, &operations).unwrap_err()
    };
    assert_eq!(
        made("a", &["orders/orders.v1.OrderService.GetOder"]),
        "there is no operation `orders/orders.v1.OrderService.GetOder`; did you mean `orders/orders.v1.OrderService.GetOrder`?"
    );
    assert_eq!(made("a", &["getProduct"]), "there is no operation `getProduct`; did you mean `catalog/getProduct`?");
    assert_eq!(
        made("../a", &["catalog/getProduct"]),
        "`../a` is no name for a view; write small letters, digits and `-`, as in `order-list`"
    );
}

#[test]
fn operations_of_every_case_make_views_or_say_why_not() {
    let mut wrong = Vec::new();
    for path in cases() {
        let (contracts, _, problems_of_contracts) = contracts(&Case::read(&path));
        if !problems_of_contracts.is_empty() {
            continue;
        }
        for operation in operations(&contracts) {
            let Ok(view) = scaffold(&contracts, "made", std::slice::from_ref(&operation)) else { continue };
            let problems = problems(&contracts, &view);
            if !problems.is_empty() {
                wrong.push(format!("{} {operation}\n{view}\n{problems}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{} views are wrong", wrong.join("\n"), wrong.len());
}
