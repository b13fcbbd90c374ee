//! JSON values to Python objects and back, for documents that are small and whose keys the core decides.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString};
use serde_json::{Map, Value};

pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => PyInt::new(py, value).into_any(),
            (None, Some(value)) => PyInt::new(py, value).into_any(),
            (None, None) => PyFloat::new(py, number.as_f64().unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(values) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(to_python(py, value)?)?;
            }
            list.into_any()
        }
        Value::Object(values) => {
            let dict = PyDict::new(py);
            for (key, value) in values {
                dict.set_item(key, to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// A Python mapping as a JSON object. Paths are taken as texts. The error names the type of what does not fit, never its value.
pub(crate) fn from_python(mapping: &Bound<'_, PyMapping>) -> PyResult<Map<String, Value>> {
    let mut object = Map::new();
    for pair in mapping.items()?.try_iter()? {
        let (key, value): (String, Bound<'_, PyAny>) = pair?.extract()?;
        object.insert(key, value_of(&value)?);
    }
    Ok(object)
}

fn value_of(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(if value.is_none() {
        Value::Null
    } else if let Ok(value) = value.cast::<PyBool>() {
        Value::Bool(value.is_true())
    } else if let Ok(text) = value.cast::<PyString>() {
        Value::String(text.to_cow()?.into_owned())
    } else if value.is_instance_of::<PyInt>() {
        Value::from(value.extract::<i64>()?)
    } else if let Ok(mapping) = value.cast::<PyMapping>() {
        Value::Object(from_python(mapping)?)
    } else if value.hasattr("__fspath__")? {
        Value::String(value.call_method0("__fspath__")?.extract()?)
    } else if let Ok(items) = value.try_iter() {
        Value::Array(items.map(|item| value_of(&item?)).collect::<PyResult<_>>()?)
    } else {
        return Err(PyTypeError::new_err(format!("a configuration holds no {}", value.get_type().name()?)));
    })
}
