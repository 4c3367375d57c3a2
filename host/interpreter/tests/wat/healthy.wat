;; says that all is well: the answer must be ok
;; world: health-plugin
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  ;; at 32: a declaration that reads one field, whose (pointer, length) is at 16
  (data (i32.const 16) "\40\00\00\00\07\00\00\00")
  (data (i32.const 32) "\10\00\00\00\01\00\00\00")
  (data (i32.const 64) "/status")
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  ;; at 128: zeros, which are ok(healthy)
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32) (i32.const 128)))
