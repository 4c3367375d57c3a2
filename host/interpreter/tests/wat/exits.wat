;; ends itself through WASI: the answer must be Trap
;; world: health-plugin
;; wit: package wasi:cli@0.2.3 { interface exit { exit: func(status: result); } }
;; import: wasi:cli/exit@0.2.3
(module
  (import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32)
    (call $exit (i32.const 1))
    (unreachable)))
