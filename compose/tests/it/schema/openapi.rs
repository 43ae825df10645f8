use compose::schema::{Contracts, Kind};

use super::{fields, file, named, operation, repository, signature};

fn read(text: &str) -> Contracts {
    let mut contracts = Contracts::default();
    let problems = contracts.add_openapi("test", &file("test.yaml", text), &|_| None);
    assert!(problems.is_empty(), "{}", problems.iter().map(ToString::to_string).collect::<String>());
    contracts
}

/// The problems of a document, without their excerpts: `line:column message; help`.
fn problems(text: &str) -> Vec<String> {
    let problems = Contracts::default().add_openapi("test", &file("test.yaml", text), &|_| None);
    let line = |p: &compose::problem::Problem| {
        let help = format!("; {}", p.help.as_ref().expect("every problem says what to write instead"));
        format!("{}:{} {}{help}", p.place.line, p.place.column, p.message)
    };
    problems.iter().map(line).collect()
}

/// The fields of the schema `M` of a document that has only schemas.
fn schema(version: &str, text: &str) -> String {
    let indented = text.lines().map(|l| format!("    {l}\n")).collect::<String>();
    let contracts = read(&format!("openapi: {version}\ncomponents:\n  schemas:\n{indented}"));
    fields(&contracts, named(&contracts, "test", "M"))
}

#[test]
fn formats_become_types() {
    let text = "
M:
  properties:
    text: { type: string }
    at: { type: string, format: date-time }
    day: { type: string, format: date }
    raw: { type: string, format: byte }
    price: { type: string, format: decimal }
    mail: { type: string, format: email }
    small: { type: integer, format: int32 }
    big: { type: integer }
    huge: { type: integer, format: uint64 }
    rough: { type: number, format: float }
    fine: { type: number }
    yes: { type: boolean }
    list: { type: array, items: { type: integer, format: int32 } }
    free: { type: object, additionalProperties: { type: string } }
    any: {}
    inner: { type: object, properties: { a: { type: string } } }
    level: { type: string, enum: [low, high] }
    code: { enum: [1, 2] }
  required: [text, at, day, raw, price, mail, small, big, huge, rough, fine, yes, list, free, any, inner, level, code]";
    assert_eq!(
        schema("3.0.3", text).replace(" required promised", ""),
        "text: string\nat: timestamp\nday: date\nraw: bytes\nprice: decimal\nmail: string\nsmall: int32\nbig: int64\n\
         huge: uint64\nrough: float\nfine: double\nyes: bool\nlist: list<int32>\nfree: map<string, string>\nany: json?\n\
         inner: M.inner\nlevel: M.level\ncode: json?"
    );
}

#[test]
fn null_is_said_in_many_ways() {
    let text = "
M:
  type: object
  required: [a, b, c, d, e, f, write]
  properties:
    a: { type: string }
    b: { type: string, nullable: true }
    c: { type: [string, 'null'] }
    d: { oneOf: [{ $ref: '#/components/schemas/M' }, { type: 'null' }] }
    e: { nullable: true, allOf: [{ $ref: '#/components/schemas/M' }] }
    f: { type: string, readOnly: true }
    write: { type: string, writeOnly: true }
    optional: { type: string }
    choice: { type: [string, 'null'], enum: [x, null] }";
    assert_eq!(
        schema("3.1.0", text),
        "a: string required promised\nb: string? required promised\nc: string? required promised\n\
         d: M? required promised\ne: M? required promised\nf: string promised\nwrite: string required\n\
         optional: string?\nchoice: M.choice?"
    );
}

#[test]
fn objects_merge_and_choices_pass_through() {
    let text = "
Base: { type: object, required: [id], properties: { id: { type: string }, size: { type: integer } } }
M:
  description: merged
  required: [size]
  allOf:
    - $ref: '#/components/schemas/Base'
    - type: object
      properties:
        size: { type: integer, format: int32 }
        parent: { $ref: '#/components/schemas/M' }
        base: { allOf: [{ $ref: '#/components/schemas/Base' }], description: just that one }
        either: { oneOf: [{ type: string }, { type: integer }] }
        mixed: { allOf: [{ $ref: '#/components/schemas/Base' }, { type: string }] }
        two: { type: [string, integer] }
        not: { not: { type: string } }
        demanding: { $ref: '#/components/schemas/Demanding' }
Demanding: { type: object, properties: { a: { type: string } }, anyOf: [{ required: [a] }] }";
    assert_eq!(
        schema("3.1.0", text),
        "id: string required promised\nsize: int32 required promised\nparent: M?\nbase: Base?\neither: json?\n\
         mixed: json?\ntwo: json?\nnot: json?\ndemanding: Demanding?"
    );
}

#[test]
fn operations_have_parameters_bodies_and_answers() {
    let contracts = read(
        r##"
openapi: 3.0.0
paths:
  x-note: not a path
  /items/{id}:
    parameters:
      - { name: id, in: path, required: true, schema: { type: string } }
      - { name: lang, in: query, schema: { type: string } }
    get:
      operationId: getItem
      parameters:
        - { name: lang, in: query, required: true, schema: { type: string, enum: [en, de] } }
        - { name: page, in: query, required: true, schema: { type: integer, format: int32, default: 1 } }
        - { name: tags, in: query, schema: { type: array, items: { type: string } } }
        - { name: ids, in: query, explode: false, schema: { type: array, items: { type: string } } }
        - { name: deep, in: query, style: deepObject, schema: { type: object, properties: { a: { type: string } } } }
        - { name: filter, in: query, content: { application/json: { schema: {} } } }
        - { name: X-Trace, in: header, schema: { type: string } }
        - { name: session, in: cookie, schema: { type: string } }
      responses:
        default: { content: { application/problem+json: { schema: { type: string } } } }
        "201": { content: { application/json: { schema: { type: boolean } } } }
        "200": { content: { application/vnd.item+json: { schema: { type: object, properties: { a: { type: string } } } } } }
    put:
      requestBody: { $ref: "#/components/requestBodies/Item" }
      responses: { "204": { description: done }, default: { content: { application/json: { schema: { type: string } } } } }
    post:
      operationId: upload
      requestBody: { content: { image/png: {} } }
      responses: { default: { content: { "*/*": { schema: { type: string } } } } }
components:
  requestBodies:
    Item:
      required: true
      content: { application/json; charset=utf-8: { schema: { $ref: "#/components/schemas/Item%20Data" } } }
  schemas:
    Item Data: { type: object, properties: { a: { type: string } } }
"##,
    );
    let line = |name: &str| signature(&contracts, operation(&contracts, "test", name));
    assert_eq!(
        line("getItem"),
        "GET /items/{id}(path id: string, query lang: getitem.lang, query page?: int32?, \
         query tags?: list<string>? exploded, query ids?: list<string>?, \
         query deep?: a parameter in the style `deepobject`: an object, which views cannot write there?, \
         query filter?: a parameter with a media type of its own, which views cannot write?, \
         header x-trace?: string?) -> getItem.response idempotent safe"
    );
    assert_eq!(
        line("PUT /items/{id}"),
        "PUT /items/{id}(path id: string, query lang?: string?, body: Item Data) -> nothing idempotent"
    );
    assert_eq!(
        line("upload"),
        "POST /items/{id}(path id: string, query lang?: string?, \
         body?: a request body that is not JSON, which views cannot write) -> string"
    );
}

#[test]
fn problems_say_where_and_what_to_do() {
    let text = r##"openapi: 3.1.0
paths:
  /a/{id}/{missing}:
    get:
      operationId: a
      parameters:
        - { name: id, in: qery, schema: { type: string } }
      responses:
        "200": { content: { application/json: { schema: { $ref: "#/components/schemas/Ordr" } } } }
    post: { operationId: a }
components:
  schemas:
    Order: { type: object, properties: { far: { $ref: "other.yaml#/Order" }, kind: { type: strin }, list: text } }
    Loop: { $ref: "#/components/schemas/Loop" }
    Nest: { type: array, items: { $ref: "#/components/schemas/Nest" } }
    Bad: { $ref: "#/components/%zz" }
    Mix: { allOf: [{ $ref: "#/components/schemas/Mix" }, { type: object, properties: { a: {} } }] }
"##;
    assert_eq!(
        problems(text),
        [
            "3:3 `{id}` in the path of `a` is not declared as a parameter; add a parameter with `in: path`",
            "3:3 `{missing}` in the path of `a` is not declared as a parameter; add a parameter with `in: path`",
            "7:27 parameters cannot be in `qery`; did you mean `query`?",
            "9:66 `#/components/schemas/Ordr` leads nowhere: there is no `Ordr`; did you mean `Order`?",
            "10:5 the operation `a` is declared twice; give each its own operationId",
            "13:56 the file `other.yaml` cannot be read; references lead to files in the folder of the contract, or in folders of it",
            "13:92 `strin` is not a type of JSON schemas; did you mean `string`?",
            "13:107 a schema is a map, this is a single value; for example `{ type: string }`",
            "14:11 this reference leads back to itself; let it end at a definition",
            "15:11 this schema contains itself; only a property of an object may lead back to the object",
            "16:19 `#/components/%zz` is not a path in this document; write it like `#/components/schemas/Order`",
            "17:10 this schema contains itself; only a property of an object may lead back to the object",
        ]
    );
}

#[test]
fn other_documents_are_refused() {
    assert_eq!(
        problems("swagger: '2.0'"),
        ["1:11 OpenAPI `2.0` is not read here; convert the document to OpenAPI 3.0 or 3.1"]
    );
    assert_eq!(
        problems("openapi: 3.2.0")[0],
        "1:10 OpenAPI `3.2.0` is not read here; convert the document to OpenAPI 3.0 or 3.1"
    );
    assert_eq!(problems("a: 1"), ["1:1 this is not an OpenAPI document; it starts with `openapi: 3.1.0`"]);
    assert_eq!(problems(""), ["1:1 a contract is one YAML or JSON document; remove the others, and every `---`"]);
    assert_eq!(
        problems("openapi: 3.0.0\n---\nopenapi: 3.0.0"),
        ["1:1 a contract is one YAML or JSON document; remove the others, and every `---`"]
    );
}

#[test]
fn json_escapes_characters_in_two_halves() {
    let text = r##"{"openapi": "3.1.0", "info": {"title": "\ud83d\ude00 \\ud83d"}, "paths": {},
  "components": {"schemas": {"A": {"type": "object", "properties": {"\uD83D\uDE00 \u00e9\/": {"type": "string"}}}, "\ud83d\ude00": {"type": "strin"}}}}"##;
    let mut contracts = Contracts::default();
    let problems = contracts.add_openapi("test", &file("test.json", text), &|_| None);
    assert_eq!(fields(&contracts, named(&contracts, "test", "A")), "\u{1f600} é/: string?");
    let column = text.lines().nth(1).unwrap().find("strin\"").unwrap() + 1;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!((problem.place.line, problem.place.column, problem.place.width), (2, column, 5));
    let half = text.replace("\\ude00", "");
    assert_eq!(contracts.add_openapi("test", &file("test.json", &half), &|_| None).len(), 1);
}

#[test]
fn long_chains_of_records_cost_no_stack() {
    let schema = |i: usize| {
        format!("    R{i}: {{ type: object, properties: {{ next: {{ $ref: '#/components/schemas/R{}' }} }} }}\n", i + 1)
    };
    let schemas: String = (0..2_000).map(schema).collect();
    let text = format!("openapi: 3.1.0\ncomponents:\n  schemas:\n{schemas}    R2000: {{ type: string }}\n");
    let contracts = read(&text);
    assert_eq!(contracts.records.len(), 2_001);
}

#[test]
fn doubling_references_end_in_a_problem() {
    let schema = |i: usize| {
        let next = format!("{{ $ref: '#/components/schemas/R{}' }}", i + 1);
        format!("    R{i}: {{ allOf: [{next}, {next}], required: [a] }}\n")
    };
    let schemas: String = (0..40).map(schema).collect();
    let text = format!("openapi: 3.1.0\ncomponents:\n  schemas:\n{schemas}    R40: {{ properties: {{ a: {{}} }} }}\n");
    let problems = problems(&text);
    assert_eq!(
        problems,
        ["1:1 the document describes more than 400000 values; cut it down to the operations that views call"]
    );
}

#[test]
fn sources_share_one_list_of_records() {
    let mut contracts = read("openapi: 3.1.0\ncomponents: { schemas: { A: { properties: { a: { type: string } } } } }");
    let text = "openapi: 3.1.0\ncomponents: { schemas: { B: { properties: { b: { type: string } } } } }";
    assert!(contracts.add_openapi("other", &file("other.yaml", text), &|_| None).is_empty());
    assert_eq!(fields(&contracts, named(&contracts, "test", "A")), "a: string?");
    assert_eq!(fields(&contracts, named(&contracts, "other", "B")), "b: string?");
}

#[test]
fn the_repositorys_documents_are_read() {
    let mut contracts = Contracts::default();
    for source in ["profiles", "catalog"] {
        let name = format!("config/contracts/{source}.yaml");
        let text = std::fs::read_to_string(repository(&name)).unwrap();
        let problems = contracts.add_openapi(source, &file(&name, &text), &|_| None);
        assert!(problems.is_empty(), "{}", problems.iter().map(ToString::to_string).collect::<String>());
    }
    assert_eq!(
        signature(&contracts, operation(&contracts, "catalog", "listProducts")),
        "GET /products(query ids?: list<string>?, query category?: string?, query limit?: int32?) -> ProductList idempotent safe"
    );
    assert_eq!(
        signature(&contracts, operation(&contracts, "profiles", "getProfile")),
        "GET /profiles/{id}(path id: string) -> Profile idempotent safe"
    );
    let product = fields(&contracts, named(&contracts, "catalog", "Product"));
    assert!(product.contains("image: Product.image? required promised\nprice: Price required promised\n"), "{product}");
    assert!(matches!(contracts.sources["catalog"].types["ProductList"].kind, Kind::Record(_)));
}
