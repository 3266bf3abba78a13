//! Promises of the room `paint`: what it reads from pictures of every format, and how coats may move.

use super::*;
