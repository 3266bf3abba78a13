//! `arenad export`: rolling files to other formats.
