;; loops for ever while it is instantiated: loading must give DeclareFailed
;; world: health-plugin
(module
  (memory (export "memory") 2)
  (func $start (loop $forever (br $forever)))
  (start $start)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32) (i32.const 128)))
