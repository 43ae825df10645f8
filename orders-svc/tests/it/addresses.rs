use orders_svc::pb::{
    Address, CreateAddressRequest, DeleteAddressRequest, GetAddressRequest, ListAddressesRequest, UpdateAddressRequest,
};
use tonic::Code;

use crate::harness::{User, blamed, code, in_each_shop};

fn home() -> CreateAddressRequest {
    CreateAddressRequest {
        user_id: String::new(),
        label: "home".to_owned(),
        recipient: "Ann Åberg".to_owned(),
        lines: vec!["1 High St".to_owned(), "c/o Bob".to_owned()],
        postal_code: "12345".to_owned(),
        city: "Springfield".to_owned(),
        country_code: "US".to_owned(),
    }
}

async fn create(user: &mut User) -> Address {
    user.addresses.create_address(home()).await.unwrap().into_inner()
}

#[tokio::test]
async fn an_address_lives_and_goes() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let created = create(&mut ann).await;
        assert_eq!((created.user_id.as_str(), &created.lines), ("ann", &home().lines));
        let get = GetAddressRequest { id: created.id.clone() };
        assert_eq!(ann.addresses.get_address(get.clone()).await.unwrap().into_inner(), created);

        let update = UpdateAddressRequest {
            id: created.id.clone(),
            label: Some(String::new()),
            city: Some("Shelbyville".to_owned()),
            etag: created.etag.clone(),
            ..UpdateAddressRequest::default()
        };
        let moved = ann.addresses.update_address(update.clone()).await.unwrap().into_inner();
        assert_eq!((moved.label.as_str(), moved.city.as_str(), &moved.lines), ("", "Shelbyville", &created.lines));
        assert_ne!(moved.etag, created.etag);
        let again = UpdateAddressRequest { city: Some("Ogdenville".to_owned()), ..update };
        assert_eq!(code(ann.addresses.update_address(again).await), Code::Aborted);

        let delete = DeleteAddressRequest { id: created.id.clone() };
        ann.addresses.delete_address(delete.clone()).await.unwrap();
        ann.addresses.delete_address(delete).await.unwrap();
        assert_eq!(code(ann.addresses.get_address(get).await), Code::NotFound);
        let list = ann.addresses.list_addresses(ListAddressesRequest::default()).await.unwrap().into_inner();
        assert_eq!(list.addresses, []);
    })
    .await;
}

#[tokio::test]
async fn addresses_are_their_owners() {
    in_each_shop(async |shop| {
        let (mut ann, mut bob, mut operator) = (shop.user("ann"), shop.user("bob"), shop.operator());
        let address = create(&mut ann).await;
        let get = GetAddressRequest { id: address.id.clone() };
        assert_eq!(code(bob.addresses.get_address(get.clone()).await), Code::NotFound);
        let delete = DeleteAddressRequest { id: address.id.clone() };
        assert_eq!(code(bob.addresses.delete_address(delete).await), Code::NotFound);
        let update = UpdateAddressRequest { id: address.id.clone(), ..UpdateAddressRequest::default() };
        assert_eq!(code(bob.addresses.update_address(update).await), Code::NotFound);
        let for_ann = CreateAddressRequest { user_id: "ann".to_owned(), ..home() };
        assert_eq!(code(bob.addresses.create_address(for_ann).await), Code::PermissionDenied);
        assert_eq!(operator.addresses.get_address(get).await.unwrap().into_inner(), address);
        let of_ann = ListAddressesRequest { user_id: "ann".to_owned(), ..ListAddressesRequest::default() };
        assert_eq!(operator.addresses.list_addresses(of_ann).await.unwrap().into_inner().addresses, [address]);
    })
    .await;
}

#[tokio::test]
async fn every_violation_of_an_address_is_told() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let nothing = ann.addresses.create_address(CreateAddressRequest::default()).await;
        assert_eq!(blamed(nothing), ["city", "country_code", "lines", "recipient"]);
        let wrong = CreateAddressRequest {
            lines: vec!["two\nlines".to_owned(), String::new()],
            country_code: "usa".to_owned(),
            postal_code: "1".repeat(21),
            ..home()
        };
        let expected = ["country_code", "lines[0]", "lines[1]", "postal_code"];
        assert_eq!(blamed(ann.addresses.create_address(wrong).await), expected);

        let address = create(&mut ann).await;
        let emptied =
            UpdateAddressRequest { id: address.id, city: Some(String::new()), ..UpdateAddressRequest::default() };
        assert_eq!(blamed(ann.addresses.update_address(emptied).await), ["city"]);
    })
    .await;
}

#[tokio::test]
async fn addresses_are_paged_newest_first() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let ids = [create(&mut ann).await.id, create(&mut ann).await.id, create(&mut ann).await.id];
        let first = ListAddressesRequest { page_size: 2, ..ListAddressesRequest::default() };
        let first = ann.addresses.list_addresses(first).await.unwrap().into_inner();
        assert_eq!(first.addresses.iter().map(|a| &a.id).collect::<Vec<_>>(), [&ids[2], &ids[1]]);
        let second = ListAddressesRequest { page_token: first.next_page_token, ..ListAddressesRequest::default() };
        let second = ann.addresses.list_addresses(second).await.unwrap().into_inner();
        assert_eq!(second.addresses.iter().map(|a| &a.id).collect::<Vec<_>>(), [&ids[0]]);
        assert_eq!(second.next_page_token, "");
    })
    .await;
}
