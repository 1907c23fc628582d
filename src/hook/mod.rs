//! One webhook call: signature, then payload to `Push`.
