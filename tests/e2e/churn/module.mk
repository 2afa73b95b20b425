# The connections of the story churn.sh.
TEST_BINS += churn
churn_SRCS := tests/e2e/churn/churn.c
E2E_TESTS += tests/e2e/churn.sh
