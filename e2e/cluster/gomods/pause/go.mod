module edge.omnixan.io/pause

go 1.26.0
