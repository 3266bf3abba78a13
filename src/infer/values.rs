//! The numbers of a head: an engine's own, or lent by the library that made them, so that nobody copies them.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Row-major numbers. A clone has numbers of its own, and so has one that was written to.
pub struct Values(Kept);

enum Kept {
    Own(Vec<f32>),
    Lent(Box<dyn Lent>),
}

/// Numbers that stay where a library puts them, as many and in the same place run after run.
pub trait Lent: Send + Sync {
    /// All of them, as the last run left them.
    fn numbers(&self) -> &[f32];
}

impl Values {
    /// Numbers that stay where they are.
    pub fn lent(numbers: impl Lent + 'static) -> Self {
        Self(Kept::Lent(Box::new(numbers)))
    }

    /// They need not be copied after a run.
    pub fn are_lent(&self) -> bool {
        matches!(self.0, Kept::Lent(_))
    }
}

impl From<Vec<f32>> for Values {
    fn from(own: Vec<f32>) -> Self {
        Self(Kept::Own(own))
    }
}

impl FromIterator<f32> for Values {
    fn from_iter<I: IntoIterator<Item = f32>>(numbers: I) -> Self {
        numbers.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.0 {
            Kept::Own(own) => own,
            Kept::Lent(lent) => lent.numbers(),
        }
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f32] {
        if let Kept::Lent(lent) = &self.0 {
            self.0 = Kept::Own(lent.numbers().to_vec());
        }
        match &mut self.0 {
            Kept::Own(own) => own,
            Kept::Lent(_) => &mut [],
        }
    }
}

impl Clone for Values {
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self[..], f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    struct Elsewhere(Arc<[f32]>);

    impl Lent for Elsewhere {
        fn numbers(&self) -> &[f32] {
            &self.0
        }
    }

    #[test]
    fn what_is_lent_stays_where_it_is_until_it_is_cloned_or_written_to() {
        let there: Arc<[f32]> = vec![1.0, 2.0].into();
        let mut values = Values::lent(Elsewhere(Arc::clone(&there)));
        assert!(values.are_lent() && std::ptr::eq(&values[..], &there[..]));
        assert!(!values.clone().are_lent() && values.clone() == values);
        values[0] = 3.0;
        assert!(!values.are_lent());
        assert_eq!((&values[..], &there[..]), (&[3.0, 2.0][..], &[1.0, 2.0][..]));
    }
}
