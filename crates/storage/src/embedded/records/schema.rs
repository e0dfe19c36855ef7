//! From field types to an index: the fields of a kind, and how each is searched.

use model::kinds::{FieldType, KindDef};
use tantivy::schema::{
    BytesOptions, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer};
use tantivy::{Index, IndexSettings};

use crate::words::words;

/// The record's time; in every kind.
pub(super) const TIME: &str = "_time";
/// The record's id, as a column: it breaks ties, and no list of postings for millions of single ids is kept.
pub(super) const ID: &str = "_id";
/// The whole record ([`crate::whole`]).
const BODY: &str = "_body";
/// The name under which our tokenizer is registered; it is written into the schema.
const WORDS: &str = "skylark_words";

/// The schema of a kind.
pub(super) fn schema(def: &KindDef) -> Schema {
    let mut builder = Schema::builder();
    builder.add_i64_field(TIME, NumericOptions::default().set_fast());
    builder.add_text_field(ID, TextOptions::default().set_fast("raw"));
    builder.add_bytes_field(BODY, BytesOptions::from(STORED));
    for field in def.fields {
        match field.ty {
            FieldType::Keyword | FieldType::Keywords => builder.add_u64_field(field.name, keyword()),
            FieldType::Text => builder.add_text_field(field.name, text()),
            FieldType::Int => builder.add_i64_field(field.name, NumericOptions::default().set_fast()),
            FieldType::Bool => builder.add_bool_field(field.name, INDEXED),
        };
    }
    builder.build()
}

/// Nothing but which documents have it: the number of a keyword ([`super::keyword`]).
fn keyword() -> NumericOptions {
    NumericOptions::default().set_indexed()
}

/// Words with their positions, for phrases.
fn text() -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(WORDS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions)
            .set_fieldnorms(false),
    )
}

/// Blocks of 64 KB at zstd level 1, compressed where they are made: measured as both fastest and smallest.
pub(super) fn settings() -> IndexSettings {
    IndexSettings {
        docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(1) }),
        docstore_compress_dedicated_thread: false,
        docstore_blocksize: 65_536,
        ..IndexSettings::default()
    }
}

/// Makes our tokenizer known to an index that was opened or made.
pub(super) fn register(index: &Index) {
    index.tokenizers().register(WORDS, TextAnalyzer::from(Words));
}

/// The numbers that an index gave to the fields of a kind. A partition of an older version may lack some.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) time: Field,
    pub(super) id: Field,
    pub(super) body: Field,
    pub(super) own: Vec<Option<Field>>,
}

impl Fields {
    /// The fields of a stored schema; `None` where it is not one of ours.
    pub(super) fn of(schema: &Schema, def: &KindDef) -> Option<Fields> {
        let field = |name: &str| schema.get_field(name).ok();
        let own = def.fields.iter().map(|f| field(f.name)).collect();
        Some(Fields { time: field(TIME)?, id: field(ID)?, body: field(BODY)?, own })
    }
}

/// Cuts texts as every backend does.
#[derive(Clone, Debug)]
struct Words;

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream { words: Box::new(words(text)), token: Token::default() }
    }
}

struct WordStream<'a> {
    words: Box<dyn Iterator<Item = String> + 'a>,
    token: Token,
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token.position = self.token.position.wrapping_add(1);
        self.token.text = word;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
