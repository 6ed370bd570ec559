-- A condition for read_spans: one span. Parameters: span_id (hex).
AND span_id = toFixedString(unhex({span_id:String}), 8)
