//! What of the language is ours, and how SkyWalking can be told the same.

use crate::ast::{Expr, Number, Op, Operator};
use crate::error::Place;
use crate::print::function;

/// A part of an expression that SkyWalking cannot read, whatever way it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SkyWalking has no {name}")]
pub struct Unportable {
    /// Name of the function.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
}

impl Expr {
    /// The parts that SkyWalking does not have, in the order of the text; empty for an expression that both read alike.
    ///
    /// A number with an exponent is not among them: it is printed without.
    pub fn extensions(&self) -> Vec<&Self> {
        self.parts().into_iter().filter(|part| name_of_ours(&part.op).is_some()).collect()
    }

    /// The same expression in words that SkyWalking reads: `-e` is `0-e`, `not(e)` is `(e)==0`, `absent(e)` is
    /// `is_present(e)==0`. Where `e` is 0, `0-e` is not the negative zero; where it cannot be read, `is_present` passes over that.
    ///
    /// # Errors
    /// The first part for which there are no such words. The caller refuses to export the expression.
    pub fn portable(&self) -> Result<Self, Unportable> {
        let mut args = self.args.iter().map(Self::portable).collect::<Result<Vec<_>, _>>()?;
        let zero = || Self::new(Op::Number(Number::default()), Vec::new());
        Ok(match self.op {
            Op::Negate => {
                args.insert(0, zero());
                Self::new(Op::Binary(Operator::Sub), args)
            }
            Op::Not => {
                args.push(zero());
                Self::new(Op::Binary(Operator::Eq), args)
            }
            Op::Absent => {
                let present = Self::new(Op::IsPresent, args);
                Self::new(Op::Binary(Operator::Eq), vec![present, zero()])
            }
            _ => match name_of_ours(&self.op) {
                Some(name) => return Err(Unportable { name, place: self.place }),
                None => Self { op: self.op.clone(), args, place: self.place },
            },
        })
    }
}

fn name_of_ours(op: &Op) -> Option<&'static str> {
    match op {
        Op::Negate => Some("unary minus"),
        Op::Not
        | Op::Absent
        | Op::ForEachLabel
        | Op::Offset(_)
        | Op::ChangePct(_)
        | Op::Over(_)
        | Op::Quantile(_)
        | Op::StdDev
        | Op::ZScore
        | Op::BurnRate { .. }
        | Op::Ewma(_) => Some(function(op)),
        _ => None,
    }
}
