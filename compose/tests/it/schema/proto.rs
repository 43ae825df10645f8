use compose::schema::{Contracts, Kind};
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, prost_types};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::{fields, named, operation, record_of, repository, signature};

/// Files that exist in a test only.
struct Texts(Vec<(&'static str, &'static str)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = self.0.iter().find(|(known, _)| *known == name);
        File::from_source(name, text.ok_or_else(|| protox::Error::file_not_found(name))?.1)
    }
}

const ANNOTATIONS: &str = r#"
    syntax = "proto3";
    package google.api;
    import "google/protobuf/descriptor.proto";
    extend google.protobuf.FieldOptions { repeated FieldBehavior field_behavior = 1052 [packed = false]; }
    enum FieldBehavior { UNSPECIFIED = 0; OPTIONAL = 1; REQUIRED = 2; OUTPUT_ONLY = 3; INPUT_ONLY = 4; }
"#;

const VALIDATE: &str = r#"
    syntax = "proto2";
    package buf.validate;
    import "google/protobuf/descriptor.proto";
    extend google.protobuf.FieldOptions { optional FieldRules field = 1159; }
    message FieldRules { optional bool required = 25; }
"#;

fn compile(text: &'static str) -> DescriptorPool {
    let mut resolver = ChainFileResolver::new();
    resolver.add(GoogleFileResolver::new());
    resolver.add(Texts(vec![
        ("test.proto", text),
        ("google/api/field_behavior.proto", ANNOTATIONS),
        ("buf/validate/validate.proto", VALIDATE),
    ]));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("test.proto").expect("the test's own file compiles");
    compiler.descriptor_pool()
}

fn read(text: &'static str) -> Contracts {
    let mut contracts = Contracts::default();
    contracts.add_proto("test", &compile(text));
    contracts
}

#[test]
fn every_scalar_keeps_its_encoding() {
    let contracts = read(
        r#"syntax = "proto3"; package t;
        message M {
            double a = 1; float b = 2; int32 c = 3; int64 d = 4; uint32 e = 5; uint64 f = 6; sint32 g = 7; sint64 h = 8;
            fixed32 i = 9; fixed64 j = 10; sfixed32 k = 11; sfixed64 l = 12; bool m = 13; string n = 14; bytes o = 15;
            repeated int32 p = 16; repeated int32 q = 17 [packed = false]; repeated string r = 18;
        }"#,
    );
    assert_eq!(
        fields(&contracts, named(&contracts, "test", "t.M")),
        "1 Double/No a: double\n2 Float/No b: float\n3 Int32/No c: int32\n4 Int64/No d: int64\n\
         5 Uint32/No e: uint32\n6 Uint64/No f: uint64\n7 Sint32/No g: int32\n8 Sint64/No h: int64\n\
         9 Fixed32/No i: uint32\n10 Fixed64/No j: uint64\n11 Sfixed32/No k: int32\n12 Sfixed64/No l: int64\n\
         13 Bool/No m: bool\n14 String/No n: string\n15 Bytes/No o: bytes\n\
         16 Int32/Packed p: list<int32>\n17 Int32/Expanded q: list<int32>\n18 String/Expanded r: list<string>"
    );
}

#[test]
fn presence_and_annotations_decide_what_may_be_null() {
    let contracts = read(
        r#"syntax = "proto3"; package t;
        import "google/api/field_behavior.proto";
        import "buf/validate/validate.proto";
        message M {
            string plain = 1;
            optional string maybe = 2;
            M message = 3;
            oneof one { string left = 4; M right = 5; }
            string given = 6 [(google.api.field_behavior) = REQUIRED];
            M promised = 7 [(google.api.field_behavior) = REQUIRED];
            M validated = 8 [(buf.validate.field).required = true];
            M answered = 9 [(google.api.field_behavior) = REQUIRED, (google.api.field_behavior) = OUTPUT_ONLY];
            M asked = 10 [(google.api.field_behavior) = REQUIRED, (google.api.field_behavior) = INPUT_ONLY];
            repeated M many = 11 [(google.api.field_behavior) = REQUIRED];
        }"#,
    );
    assert_eq!(
        fields(&contracts, named(&contracts, "test", "t.M")),
        "1 String/No plain: string\n2 String/No maybe: string?\n3 Message/No message: t.M?\n\
         4 String/No left: string?\n5 Message/No right: t.M?\n\
         6 String/No given: string required\n\
         7 Message/No promised: t.M required promised\n\
         8 Message/No validated: t.M required promised\n\
         9 Message/No answered: t.M promised\n\
         10 Message/No asked: t.M? required\n\
         11 Message/Expanded many: list<t.M> required"
    );
}

#[test]
fn well_known_messages_have_types_of_their_own() {
    let contracts = read(
        r#"syntax = "proto3"; package t;
        import "google/protobuf/any.proto";
        import "google/protobuf/duration.proto";
        import "google/protobuf/field_mask.proto";
        import "google/protobuf/struct.proto";
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        message Price { string currency_code = 1; int64 units = 2; int32 nanos = 3; }
        message Other { string currency_code = 1; int64 units = 2; int32 cents = 3; }
        message M {
            google.protobuf.Timestamp at = 1;
            google.protobuf.Duration took = 2;
            google.protobuf.UInt32Value count = 3;
            google.protobuf.FieldMask mask = 4;
            Price price = 5;
            Other other = 6;
            repeated google.protobuf.StringValue names = 7;
            google.protobuf.Any any = 8;
            google.protobuf.Struct free = 9;
            map<string, M> map = 10;
        }"#,
    );
    assert_eq!(
        fields(&contracts, named(&contracts, "test", "t.M")),
        "1 Message/No at: timestamp?\n2 Message/No took: duration?\n3 Wrapper(Uint32)/No count: uint32?\n\
         4 Message/No mask: google.protobuf.FieldMask?\n5 Message/No price: money?\n6 Message/No other: t.Other?\n\
         7 Wrapper(String)/Expanded names: list<string>\n\
         8 Json/No any: json?\n\
         9 Json/No free: json?\n\
         10 Message/Expanded map: map<string, t.M>"
    );
    let types = &contracts.sources["test"].types;
    assert_eq!(types.keys().collect::<Vec<_>>(), ["t.M", "t.Other", "t.Price"]);
}

#[test]
fn proto2_keeps_its_presence() {
    let contracts = read(
        r#"syntax = "proto2"; package t;
        message M {
            required string id = 1;
            optional int32 size = 2 [default = 7];
            repeated int32 loose = 3;
            repeated int32 tight = 4 [packed = true];
            optional group Old = 5 { optional string a = 1; }
        }"#,
    );
    assert_eq!(
        fields(&contracts, named(&contracts, "test", "t.M")),
        "1 String/No id: string required promised\n2 Int32/No size: int32?\n3 Int32/Expanded loose: list<int32>\n\
         4 Int32/Packed tight: list<int32>\n5 Group(5)/No old: t.M.Old?"
    );
}

#[test]
fn enum_names_lose_the_prefix_of_their_type() {
    let contracts = read(
        r#"syntax = "proto3"; package t;
        enum OrderStatus { ORDER_STATUS_UNSPECIFIED = 0; ORDER_STATUS_SHIPPED = 3; ORDER_STATUS_LOST = -1; }
        enum HTTPMethod { HTTP_METHOD_ANY = 0; HTTP_METHOD_GET = 1; }
        enum Mixed { MIXED_NONE = 0; OTHER = 1; }
        enum Version { VERSION_UNKNOWN = 0; VERSION_2 = 2; }
        enum Alias { option allow_alias = true; ALIAS_ZERO = 0; ALIAS_TWO = 2; ALIAS_ONE = 1; ALIAS_UNO = 1; }"#,
    );
    let names = |name: &str| match &contracts.sources["test"].types[name].kind {
        Kind::Enum(e) => e.values.iter().map(|(number, name)| format!("{number} {name}")).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(names("t.OrderStatus"), ["-1 LOST", "0 UNSPECIFIED", "3 SHIPPED"]);
    assert_eq!(names("t.HTTPMethod"), ["0 ANY", "1 GET"]);
    assert_eq!(names("t.Mixed"), ["0 MIXED_NONE", "1 OTHER"]);
    assert_eq!(names("t.Version"), ["0 VERSION_UNKNOWN", "2 VERSION_2"]);
    assert_eq!(names("t.Alias"), ["0 ZERO", "1 ONE", "2 TWO"]);
}

#[test]
fn annotations_count_even_where_the_pool_does_not_declare_them() {
    let known = compile(
        r#"syntax = "proto3"; package t; import "google/api/field_behavior.proto";
        message M { M given = 1 [(google.api.field_behavior) = REQUIRED]; }"#,
    );
    let mut bytes = known.get_file_by_name("test.proto").unwrap().encode_to_vec();
    // The same file without its import: field 3 of FileDescriptorProto.
    let import = b"\x1a\x1fgoogle/api/field_behavior.proto";
    let at = bytes.windows(import.len()).position(|w| w == import).unwrap();
    bytes.drain(at..at + import.len());
    let mut pool = DescriptorPool::new();
    pool.decode_file_descriptor_proto(bytes.as_slice()).unwrap();
    let mut contracts = Contracts::default();
    contracts.add_proto("test", &pool);
    let id = named(&contracts, "test", "t.M");
    assert_eq!(fields(&contracts, id), "1 Message/No given: t.M required promised");
}

#[test]
fn the_repositorys_services_are_read() {
    let mut compiler = protox::Compiler::new([repository("proto")]).unwrap();
    compiler.open_files(["orders/v1/orders.proto", "loyalty/v1/loyalty.proto"]).unwrap();
    let pool = compiler.descriptor_pool();
    let mut contracts = Contracts::default();
    contracts.add_proto("shop", &pool);

    let list = operation(&contracts, "shop", "orders.v1.OrderService.ListOrders");
    assert_eq!(
        signature(&contracts, list),
        "/orders.v1.OrderService/ListOrders(orders.v1.ListOrdersRequest) -> orders.v1.ListOrdersResponse idempotent safe"
    );
    let delete = operation(&contracts, "shop", "orders.v1.OrderService.DeleteOrder");
    assert_eq!((delete.idempotent, delete.safe), (true, false));
    assert_eq!(fields(&contracts, record_of(&delete.response.kind)), "");
    assert_eq!(contracts.sources["shop"].streams.keys().collect::<Vec<_>>(), ["orders.v1.OrderService.WatchOrders"]);
    assert_eq!(
        fields(&contracts, named(&contracts, "shop", "orders.v1.OrderLine")),
        "1 String/No product_id: string required\n2 Int32/No quantity: int32 required\n\
         3 Message/No unit_price: money required promised"
    );
    let order = fields(&contracts, named(&contracts, "shop", "orders.v1.Order"));
    assert!(order.contains("2 Enum/No status: orders.v1.OrderStatus\n"), "{order}");
    assert!(order.contains("5 Message/Expanded lines: list<orders.v1.OrderLine>\n"), "{order}");
}

/// The test's file as an edition's, with these features for all of it: presence, repeated encoding, message encoding.
fn edition(edition: i32, features: [u8; 6], text: &'static str) -> Result<DescriptorPool, String> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(GoogleFileResolver::new());
    resolver.add(Texts(vec![("test.proto", text)]));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    let set = compiler.open_file("test.proto").expect("the test's own file compiles").encode_file_descriptor_set();
    let file = &prost_types::FileDescriptorSet::decode(set.as_slice()).unwrap().file[0];
    let mut file = file.encode_to_vec();
    file.extend(b"\x62\x08editions\x70");
    prost::encoding::encode_varint(edition as u64, &mut file);
    file.extend(b"\x42\x09\x92\x03\x06");
    file.extend(features);
    let mut set = vec![0x0a];
    prost::encoding::encode_varint(file.len() as u64, &mut set);
    set.extend(file);
    compose::schema::descriptors(&set)
}

const EDITION_FILE: &str = r#"syntax = "proto2"; package t;
    enum E { ONE = 1; }
    message M {
        optional string text = 1;
        optional M inner = 2;
        repeated int32 sizes = 3;
        map<string, M> map = 4;
        oneof one { int32 left = 5; M right = 6; }
        optional E e = 7;
        repeated string names = 8;
    }"#;

#[test]
fn editions_say_what_syntax_said() {
    let fields_of = |features| {
        let mut contracts = Contracts::default();
        contracts.add_proto("test", &edition(1000, features, EDITION_FILE).unwrap());
        fields(&contracts, named(&contracts, "test", "t.M"))
    };
    // The defaults: explicit presence, packed, with lengths.
    assert_eq!(
        fields_of([0x08, 1, 0x18, 1, 0x28, 1]),
        "1 String/No text: string?\n2 Message/No inner: t.M?\n3 Int32/Packed sizes: list<int32>\n\
         4 Message/Expanded map: map<string, t.M>\n5 Int32/No left: int32?\n6 Message/No right: t.M?\n\
         7 Enum/No e: t.E?\n8 String/Expanded names: list<string>"
    );
    // Implicit, expanded, delimited.
    assert_eq!(
        fields_of([0x08, 2, 0x18, 2, 0x28, 2]),
        "1 String/No text: string\n2 Group(2)/No inner: t.M?\n3 Int32/Expanded sizes: list<int32>\n\
         4 Message/Expanded map: map<string, t.M>\n5 Int32/No left: int32?\n6 Group(6)/No right: t.M?\n\
         7 Enum/No e: t.E\n8 String/Expanded names: list<string>"
    );
    // Legacy required.
    assert!(fields_of([0x08, 3, 0x18, 1, 0x28, 1]).starts_with("1 String/No text: string required promised\n"));
}

#[test]
fn an_unknown_edition_is_refused() {
    let refused = edition(1002, [0x08, 1, 0x18, 1, 0x28, 1], EDITION_FILE).unwrap_err();
    assert_eq!(refused, "test.proto is of the protobuf edition 1002; 2023 and 2024 are known");
    assert!(compose::schema::descriptors(b"\x0a\x7f").is_err());
}
