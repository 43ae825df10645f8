//! The contracts of a case.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use compose::problem::{File, Problem};
use compose::schema::Contracts;
use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File as ProtoFile, FileResolver, GoogleFileResolver, IncludeFileResolver};

use super::Case;

struct Text(String);

impl FileResolver for Text {
    fn open_file(&self, name: &str) -> Result<ProtoFile, protox::Error> {
        if name == "case.proto" {
            ProtoFile::from_source(name, &self.0)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

/// Compiles one file that may import the well-known types and this repository's.
pub fn pool(source: &str) -> DescriptorPool {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Text(source.to_owned()));
    resolver.add(GoogleFileResolver::new());
    resolver.add(IncludeFileResolver::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto")));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file("case.proto").unwrap_or_else(|e| panic!("{e:?}"));
    DescriptorPool::decode(&*compiler.encode_file_descriptor_set()).unwrap()
}

/// A file that an OpenAPI document refers to.
fn beside(case: &Case, name: &str) -> Option<Arc<File>> {
    let block = case.all("file").find(|block| block.words[1] == name)?;
    Some(Arc::new(File { name: name.to_owned(), text: block.text.clone() + "\n" }))
}

/// The contracts, the descriptors by source, and the problems of OpenAPI documents.
pub fn contracts(case: &Case) -> (Contracts, HashMap<String, DescriptorPool>, Vec<Problem>) {
    let mut contracts = Contracts::default();
    let mut pools = HashMap::new();
    let mut problems = Vec::new();
    for block in case.all("proto") {
        let pool = pool(&block.text);
        contracts.add_proto(&block.words[1], &pool);
        pools.insert(block.words[1].clone(), pool);
    }
    for block in case.all("openapi") {
        let file = Arc::new(File { name: format!("{}.yaml", block.words[1]), text: block.text.clone() + "\n" });
        problems.extend(contracts.add_openapi(&block.words[1], &file, &|name| beside(case, name)));
    }
    for block in case.all("nats") {
        contracts.sources.entry(block.words[1].clone()).or_default().nats = true;
    }
    for block in case.blocks.iter().filter(|b| b.words.get(2).is_some_and(|word| word == "identity")) {
        contracts.sources.get_mut(&block.words[1]).expect("a source").identity = true;
    }
    (contracts, pools, problems)
}
