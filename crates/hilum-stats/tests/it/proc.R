# pROC on its own data and on seeded scores with ties; prints JSON. aSAH (Turck et al. 2010) is read from the package: it is
# GPL-3, so no copy of it is kept here.
suppressPackageStartupMessages(library(pROC))
text <- function(x) paste0("[", paste(sprintf("%.17g", as.numeric(x)), collapse = ","), "]")
entry <- function(name, labels, first, second) {
  a <- roc(labels, first, quiet = TRUE, direction = "<", levels = c(0, 1))
  b <- roc(labels, second, quiet = TRUE, direction = "<", levels = c(0, 1))
  test <- roc.test(a, b, method = "delong")
  sprintf(
    '{"name":"%s","labels":%s,"first":%s,"second":%s,"auc":%s,"ci1":%s,"ci2":%s,"var":%s,"cov":%s,"z":%s,"p":%s,"difference_ci":%s}',
    name, text(labels), text(first), text(second), text(c(auc(a), auc(b))), text(ci.auc(a, method = "delong")),
    text(ci.auc(b, method = "delong")), text(c(var(a), var(b))), text(cov(a, b)), text(test$statistic),
    text(test$p.value), text(test$conf.int)
  )
}
data(aSAH)
outcome <- as.integer(aSAH$outcome == "Poor")
wfns <- as.numeric(aSAH$wfns)
set.seed(20261126)
n <- 700
y <- rbinom(n, 1, 0.25)
z <- rnorm(n)
entries <- c(
  entry("wfns-s100b", outcome, wfns, aSAH$s100b),
  entry("wfns-ndka", outcome, wfns, aSAH$ndka),
  entry("seeded", y, round(z + rnorm(n) + y, 1), round(z + rnorm(n) + 0.8 * y, 1))
)
cat("[", paste(entries, collapse = ",\n"), "]\n", sep = "")
