;; says why, character by character, and traps when it is asked what it reads: loading must give DeclareFailed
;; world: health-plugin
(module
  (import "flotilla:interpreter/last-words@1.0.0" "say" (func $say (param i32)))
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32)
    (call $say (i32.const 111))
    (call $say (i32.const 104))
    (unreachable))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32) (i32.const 128)))
