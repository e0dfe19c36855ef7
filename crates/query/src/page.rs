//! Pages of lists, and conditions on fields that several lists share.

use async_graphql::ID;
use model::{ByteString, id, record::FieldValue};
use storage::{Condition, Test};

use crate::{Error, app::given_id, schema::common::Pagination};

/// Most entries of one page. The greatest that a UI asks for is 501.
const MAX_PAGE: usize = 5_000;

/// Which part of a list to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

impl Page {
    /// Pages count from 1; 0, nothing and negative numbers mean the first. Sizes below 1 ask for nothing.
    pub(crate) fn of(paging: &Pagination) -> Self {
        let size = usize::try_from(paging.page_size).unwrap_or(0);
        let number = paging.page_num.and_then(|number| usize::try_from(number).ok()).unwrap_or(1).max(1);
        Self { offset: size.saturating_mul(number - 1), limit: size.min(MAX_PAGE) }
    }

    /// The page's part of a whole list.
    pub(crate) fn cut<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

/// The field is this text.
pub(crate) fn equal(field: usize, text: &str) -> Condition {
    Condition { field, test: Test::Equal(FieldValue::Text(ByteString::from(text))), negate: false }
}

/// The service, instance and endpoint that are named, each in its field.
///
/// # Errors
/// When an id is malformed.
pub(crate) fn of_entities(fields: [usize; 3], ids: [&Option<ID>; 3]) -> Result<Vec<Condition>, Error> {
    let [service, instance, endpoint] = ids.map(|id| given_id(id.as_ref()));
    service.map(id::parse_service).transpose()?;
    instance.map(id::parse_instance).transpose()?;
    endpoint.map(id::parse_endpoint).transpose()?;
    let named = fields.into_iter().zip([service, instance, endpoint]);
    Ok(named.filter_map(|(field, id)| Some(equal(field, id?))).collect())
}

/// The field holds this tag. A tag without a value is looked for with an empty one.
pub(crate) fn tagged(field: usize, key: &str, value: Option<&str>) -> Condition {
    equal(field, &format!("{}={}", key.trim(), value.unwrap_or("").trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_count_from_one_and_have_a_limit() {
        let page = |num, size| Page::of(&Pagination { page_num: num, page_size: size });
        assert_eq!(page(None, 15), Page { offset: 0, limit: 15 });
        assert_eq!(page(Some(0), 15), Page { offset: 0, limit: 15 });
        assert_eq!(page(Some(-3), 15), Page { offset: 0, limit: 15 });
        assert_eq!(page(Some(3), 15), Page { offset: 30, limit: 15 });
        assert_eq!(page(Some(1), -1), Page { offset: 0, limit: 0 });
        assert_eq!(page(Some(i32::MAX), i32::MAX).limit, MAX_PAGE);
        assert_eq!(page(Some(2), 2).cut(vec![1, 2, 3]), [3]);
    }
}
