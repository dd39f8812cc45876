//! A token bucket, by which API Gateway throttles.

pub(crate) struct Bucket {
    rate: f64,
    size: f64,
    tokens: f64,
}

impl Bucket {
    pub(crate) fn new(rate: f64, size: f64) -> Self {
        Self { rate, size, tokens: size }
    }

    pub(crate) fn refill(&mut self, seconds: f64) {
        self.tokens = (self.tokens + self.rate * seconds).min(self.size);
    }

    pub(crate) fn take(&mut self, tokens: f64) -> bool {
        let taken = self.tokens >= tokens;
        if taken {
            self.tokens -= tokens;
        }
        taken
    }
}
