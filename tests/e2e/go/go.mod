module shunt.test/relay

go 1.19
