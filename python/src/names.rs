//! Several names as one argument: any iterable of texts, and never one text by mistake.

use partnersam::Audience;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::Failure;

#[derive(Default)]
pub(crate) struct Names(pub(crate) Vec<String>);

impl<'py> FromPyObject<'_, 'py> for Names {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if given.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("several names are wanted here, as a list or a tuple"));
        }
        Ok(Self(given.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>()?))
    }
}

impl Names {
    pub(crate) fn parsed<T: std::str::FromStr<Err = partnersam::Error>>(&self) -> PyResult<Vec<T>> {
        Ok(self.0.iter().map(|name| name.parse()).collect::<partnersam::Result<_>>().map_err(Failure::from)?)
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn audiences(&self) -> PyResult<Vec<Audience>> {
        self.parsed()
    }
}
