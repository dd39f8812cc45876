#!/bin/sh
# A function whose runtime is played by the test: it only tells where its runtime API is.
echo "$AWS_LAMBDA_RUNTIME_API" > "$ADDRESS_FILE.new" && mv "$ADDRESS_FILE.new" "$ADDRESS_FILE"
exec sleep 60
