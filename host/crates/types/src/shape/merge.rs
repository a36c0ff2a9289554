//! Shapes put together: of a value that several schemas speak of.

use crate::shape::{Others, Shape, Types};

impl Shape {
    /// Of a value that is of both shapes. A member that only one of them names is known.
    pub(crate) fn and(self, other: Self) -> Self {
        let mut members = self.members;
        for (name, shape) in other.members {
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = std::mem::take(known).and(shape),
                None => members.push((name, shape)),
            }
        }
        let others = match (self.others, other.others) {
            (Others::None, _) | (_, Others::None) => Others::None,
            (Others::Any, others) | (others, Others::Any) => others,
            (Others::Each(one), Others::Each(other)) => Others::Each(Box::new(one.and(*other))),
        };
        let elements = match (self.elements, other.elements) {
            (Some(one), Some(other)) => Some(Box::new(one.and(*other))),
            (one, other) => one.or(other),
        };
        Self {
            types: self.types.and(other.types),
            members,
            others,
            elements,
            is_hidden: self.is_hidden || other.is_hidden,
        }
    }

    /// Of a value that is of one of both shapes.
    pub(crate) fn or(self, other: Self) -> Self {
        let is_hidden = self.is_hidden || other.is_hidden;
        let types = self.types.or(other.types);
        let objects = match (self.types.allow(Types::OBJECT), other.types.allow(Types::OBJECT)) {
            (true, true) => either(self.members, self.others, other.members, other.others),
            (true, false) => (self.members, self.others),
            (false, true) => (other.members, other.others),
            (false, false) => (Vec::new(), Others::None),
        };
        let elements = match (self.types.allow(Types::ARRAY), other.types.allow(Types::ARRAY)) {
            (true, true) => self.elements.zip(other.elements).map(|(one, other)| Box::new(one.or(*other))),
            (true, false) => self.elements,
            (false, _) => other.elements,
        };
        let (members, others) = objects;
        Self { types, members, others, elements, is_hidden }
    }
}

type Members = Vec<(String, Shape)>;

/// A member that only one side names is on the other side one of its others.
fn either(one: Members, one_others: Others, other: Members, other_others: Others) -> (Members, Others) {
    let widened = |shape: Shape, others: &Others| match others {
        Others::None => shape,
        Others::Each(each) => shape.or((**each).clone()),
        Others::Any => shape.or(Shape::default()),
    };
    let mut rest = other;
    let mut members: Members = Vec::new();
    for (name, shape) in one {
        let shape = match rest.iter().position(|(known, _)| *known == name) {
            Some(at) => shape.or(rest.remove(at).1),
            None => widened(shape, &other_others),
        };
        members.push((name, shape));
    }
    members.extend(rest.into_iter().map(|(name, shape)| (name, widened(shape, &one_others))));
    let others = match (one_others, other_others) {
        (Others::Any, _) | (_, Others::Any) => Others::Any,
        (Others::None, others) | (others, Others::None) => others,
        (Others::Each(one), Others::Each(other)) => Others::Each(Box::new(one.or(*other))),
    };
    (members, others)
}
