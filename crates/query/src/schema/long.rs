//! The 64-bit integer scalar.

use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};
use serde::{Deserialize, Serialize};

/// A 64-bit integer. In input also as text, since clients written in JavaScript cannot hold every number.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Long(pub i64);

#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::Number(_) | Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0))
    }
}

impl From<i64> for Long {
    fn from(value: i64) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reads_numbers_and_text_and_writes_numbers() {
        let read = |value: Value| Long::parse(value).ok().map(|long| long.0);
        assert_eq!(read(Value::from(i64::MAX)), Some(i64::MAX));
        assert_eq!(read(Value::from("-7")), Some(-7));
        assert_eq!(read(Value::from("seven")), None);
        assert_eq!(read(Value::from(1.5)), None);
        assert_eq!(read(Value::from(true)), None);
        assert_eq!(Long(7).to_value(), Value::from(7));
    }
}
