;; answers with a million changes that all share one text of a megabyte: the answer must be BadOutput
;; world: revision-plugin
(module
  (memory (export "memory") 400)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "flotilla:interpreter/revision@1.0.0#declare") (result i32) (i32.const 32))
  ;; A change has 20 bytes: case, pointer and length of the field, pointer and length of the value.
  (func (export "flotilla:interpreter/revision@1.0.0#revise") (param i32 i32 i64) (result i32)
    (local $at i32)
    (local.set $at (i32.const 65536))
    (loop $next
      (i32.store offset=8 (local.get $at) (i32.const 1048576))
      (i32.store offset=16 (local.get $at) (i32.const 1048576))
      (local.set $at (i32.add (local.get $at) (i32.const 20)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 20065536))))
    (i32.store (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (i32.const 65536))
    (i32.store (i32.const 136) (i32.const 1000000))
    (i32.const 128)))
