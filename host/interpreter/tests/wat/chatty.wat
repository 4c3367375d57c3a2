;; logs without end until its deadline: the answer must be Deadline
;; world: health-plugin
(module
  (import "flotilla:interpreter/host@1.0.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32)
    (loop $forever
      (call $log (i32.const 0) (i32.const 4096) (i32.const 32768))
      (br $forever))
    (unreachable)))
